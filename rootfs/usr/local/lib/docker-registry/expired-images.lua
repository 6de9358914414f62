-- Applies the policies of retention; registry-retention runs it after delete-images.lua. It reads of `job`
--   dry        true: say what would go, and delete nothing
--   retention  the policies, as /etc/docker-registry/retention.lua has them
--   pushed     what each tag led to: lines of DIGEST REPOSITORY TAG; and since when: lines of SECONDS REPOSITORY TAG
--
-- Only what is known is deleted: a tag without a time stays, or one that leads elsewhere than when its time was read;
-- and a repository that can't be read wholly is left alone.

local DAY = 86400

-- repository → tag → its digest, and the seconds
local function times()
    local all = {}
    for what, repository, name in job.pushed:gmatch("(%S+) (%S+) (%S+)\n") do
        all[repository] = all[repository] or {}
        all[repository][name] = all[repository][name] or {}
        if tonumber(what) then
            all[repository][name].seconds = tonumber(what)
        else
            all[repository][name].digest = what
        end
    end
    return all
end

-- tag → seconds. A tag that was pushed since its time was read has another, which nobody knows.
local function still_true(found, pushed)
    local seconds = {}
    for name, digest in pairs(found.digests) do
        if pushed[name] and pushed[name].digest == digest then seconds[name] = pushed[name].seconds end
    end
    return seconds
end

local function first_fit(globs, name)
    for _, glob in ipairs(globs) do
        if fits(glob, name) then return glob end
    end
end

local function policy_of(repository)
    for _, policy in ipairs(job.retention.policies) do
        if first_fit(policy.repositories, repository) then return policy end
    end
end

-- Tags that no pattern decides about and whose time is known, the newest first.
local function by_age(found, policy, pushed)
    local list = {}
    for name in pairs(found.digests) do
        local decided = subject_of(name) or first_fit(job.retention.protected, name) or first_fit(policy.keep, name)
            or first_fit(policy.drop, name)
        if not decided and pushed[name] then list[#list + 1] = name end
    end
    table.sort(list, function(a, b) return pushed[a] > pushed[b] or pushed[a] == pushed[b] and a < b end)
    return list
end

-- The tags that go, each with the reason.
local function expired(found, policy, pushed, now)
    local tags = {}
    for name in pairs(found.digests) do
        local stays = subject_of(name) or first_fit(job.retention.protected, name) or first_fit(policy.keep, name)
        local glob = first_fit(policy.drop, name)
        if glob and not stays then tags[name] = "fits " .. glob end
    end
    if not policy.keepLast and not policy.keepDays then return tags end
    for rank, name in ipairs(by_age(found, policy, pushed)) do
        if rank > (policy.keepLast or 0) and now - pushed[name] >= (policy.keepDays or 0) * DAY then
            tags[name] = ("pushed %s, number %d"):format(os.date("!%Y-%m-%d", pushed[name]), rank)
        end
    end
    return tags
end

local function checked(repository, pushed)
    local found = read(repository)
    if not found or not (next(found.digests) or next(found.broken)) then return nil end
    local name, why = next(found.broken)
    if name then fail("UNREADABLE", name .. ": " .. why) end
    if not pushed then fail("UNREADABLE", "it is not known when its tags were pushed") end
    return found
end

run(function()
    local all, now, total, skipped = times(), os.time(), { repositories = 0, tags = 0, manifests = 0, changed = 0 }, 0
    for _, repository in ipairs(catalog()) do
        local policy = policy_of(repository)
        local ok, err = pcall(function()
            local found = policy and checked(repository, all[repository])
            if not found then return end
            local plan = follow(found, expired(found, policy, still_true(found, all[repository]), now), {})
            if not next(plan.tags) then return end
            ask_first(found)
            describe(plan, print)
            total.repositories = total.repositories + 1
            total.tags = total.tags + #sorted(plan.tags)
            total.manifests = total.manifests + #sorted(plan.gone)
            if not job.dry then total.changed = total.changed + carry_out(plan) end
        end)
        if not ok then
            local why = reason(err)
            if FINAL[why.code] then error(why, 0) end
            complain({ code = why.code, text = ("%s is not done: %s"):format(repository, why.text) })
            skipped = skipped + 1
        end
    end
    if total.changed > 0 then print(("%d of these changed meanwhile, and were kept"):format(total.changed)) end
    conclude(("%s and %s of %s"):format(
        count(total.tags, "tag"), count(total.manifests, "manifest"), count(total.repositories, "repository", "repositories")
    ))
    if skipped > 0 then fail("UNREADABLE", ("not done: %s"):format(count(skipped, "repository", "repositories"))) end
end)
