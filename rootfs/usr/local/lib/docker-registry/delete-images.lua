-- Reads repositories, works out what a deletion entails, and deletes. regbot (https://regclient.org) runs this text, and
-- supplies `tag`, `manifest` and `repo`; a table `job` stands before it, and after it what decides which tags go:
-- requested-images.lua or expired-images.lua. Of `job`, this part reads
--   registry  HOST or HOST:PORT
--   store     true: on the registry's own host, while writes are held off. What goes is not deleted here but told, to
--             remove-images: the registry itself looks through all tags for each manifest that it deletes.
--   forbidden true: the registry's settings forbid deletion; asked of itself where it has nothing to be asked by
--
-- The rule behind all of it: a manifest that a kept tag leads to, itself or through an index, is never deleted.

local EXIT = {
    FAILED = 1, MANIFEST_UNKNOWN = 4, NAME_UNKNOWN = 5, UNMATCHED = 6, USED_BY_TAG = 7, USED_BY_INDEX = 8,
    UNSUPPORTED = 9, UNAUTHORIZED = 10, DENIED = 11, UNAVAILABLE = 12, UNREACHABLE = 13, UNREADABLE = 14, CHANGED = 15,
}
local BY_STATUS = {
    ["401"] = "UNAUTHORIZED", ["403"] = "DENIED", ["404"] = "MANIFEST_UNKNOWN", ["405"] = "UNSUPPORTED",
    ["502"] = "UNAVAILABLE", ["503"] = "UNAVAILABLE", ["504"] = "UNAVAILABLE",
}
-- These are about the registry or the login, not about one image: to go on would only repeat them.
local FINAL = { UNSUPPORTED = true, UNAUTHORIZED = true, DENIED = true, UNAVAILABLE = true, UNREACHABLE = true }
-- The tags by which artifacts are attached to a digest, where the registry itself knows no referrers.
local ATTACHED = { [""] = true, [".sig"] = true, [".att"] = true, [".sbom"] = true }
-- Manifests that contain no others.
local PLAIN = {
    ["application/vnd.oci.image.manifest.v1+json"] = true, ["application/vnd.docker.distribution.manifest.v2+json"] = true,
}
-- How many deletions may pass until it is asked again what the tags lead to.
local STEPS_PER_READING = 20

local function at(name) return job.registry .. "/" .. name end

local function fail(code, text) error({ code = code, text = text }, 0) end

-- An error as a code and a text: the registry's own where it gave one.
local function reason(err)
    if type(err) == "table" then return err end
    local text = tostring(err):gsub("^<string>:%d+: ", ""):gsub("%s+$", "")
    local status, code = text:match("%[http (%d+)%]"), text:match('"code":%s*"([A-Z_]+)"')
    if not EXIT[code] then code = BY_STATUS[status] end
    if not code and (text:find("unauthorized", 1, true) or text:find("challenge", 1, true)) then code = "UNAUTHORIZED" end
    if not code and not status and (text:find("dial ", 1, true) or text:find('https?://')) then code = "UNREACHABLE" end
    return { code = code or "FAILED", text = text:match('"message":%s*"([^"]*)"') or text }
end

local function complain(why) io.stderr:write(why.code, ": ", why.text, "\n") end

local function sorted(set)
    local list = {}
    for key in pairs(set) do list[#list + 1] = key end
    table.sort(list)
    return list
end

-- A number of things in words.
local function count(number, one, many) return ("%d %s"):format(number, number == 1 and one or many or one .. "s") end

-- Whether a glob fits a name: * and ? stay within one part of a path, ** does not.
local function fits(glob, name)
    local pattern = glob:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*%*", "\1"):gsub("%*", "[^/]*")
    return name:find("^" .. pattern:gsub("%?", "[^/]"):gsub("\1", ".*") .. "$") ~= nil
end

-- ---------------------------------------------------------------------------------------------------------- reading

-- The tags of a repository; nil when the registry doesn't know it.
local function list_tags(repository)
    local ok, found = pcall(tag.ls, at(repository))
    if ok then return found end
    local why = reason(found)
    if why.code == "NAME_UNKNOWN" then return nil end
    error(why, 0)
end

local function catalog()
    local all, page = {}, nil
    repeat
        page = repo.ls(job.registry, { limit = 100, last = all[#all] })
        for _, name in ipairs(page) do all[#all + 1] = name end
    until #page == 0
    return all
end

local function descriptor_of(reference) return manifest.descriptor(manifest.head(at(reference))) end

local function digest_of(reference) return descriptor_of(reference).digest end

-- Notes what an index contains, and what the indexes in it contain.
local function visit(found, digest, kind)
    if found.children[digest] then return end
    local children = {}
    if PLAIN[kind] then
        found.children[digest] = children
        return
    end
    for _, child in ipairs(manifest.getList(at(found.name .. "@" .. digest)).manifests or {}) do
        visit(found, child.digest)
        children[#children + 1] = child.digest
    end
    found.children[digest] = children
end

-- All tags of a repository and what they lead to; nil when the registry doesn't know it. Tags that can't be read
-- wholly are in `broken`.
local function read(repository)
    local tags = list_tags(repository)
    if not tags then return nil end
    local found = { name = repository, digests = {}, children = {}, broken = {} }
    for _, name in ipairs(tags) do
        local ok, err = pcall(function()
            local descriptor = descriptor_of(repository .. ":" .. name)
            visit(found, descriptor.digest, descriptor.mediaType)
            found.digests[name] = descriptor.digest
        end)
        if not ok then
            local why = reason(err)
            if FINAL[why.code] then error(why, 0) end
            found.broken[name] = why.text
        end
    end
    if next(found.broken) then
        -- One that somebody deleted meanwhile is not broken.
        local now = {}
        for _, name in ipairs(list_tags(repository) or {}) do now[name] = true end
        for name in pairs(found.broken) do
            if not now[name] then found.broken[name] = nil end
        end
    end
    return found
end

-- The manifests to which digests lead: themselves, and those in indexes.
local function reach(found, digests, seen)
    seen = seen or {}
    for _, digest in ipairs(digests) do
        if not seen[digest] then
            seen[digest] = true
            reach(found, found.children[digest] or {}, seen)
        end
    end
    return seen
end

-- --------------------------------------------------------------------------------------------------------- planning

local function subject_of(name)
    local hex, suffix = name:match("^sha256%-(%x+)(.*)$")
    if hex and #hex == 64 and ATTACHED[suffix] then return "sha256:" .. hex end
end

-- What follows when tags (tag → why) and digests (a list) of a repository go. Attached artifacts go with their
-- subject: `order` has them before it, so that a run that was cut off leaves none without one.
local function follow(found, tags, digests)
    local plan = { found = found, tags = {}, order = sorted(tags), gone = {} }
    for name, why in pairs(tags) do plan.tags[name] = why end
    repeat
        local kept, dropped, attached = {}, {}, {}
        for _, digest in ipairs(digests) do dropped[#dropped + 1] = digest end
        for name, digest in pairs(found.digests) do
            local list = plan.tags[name] and dropped or kept
            list[#list + 1] = digest
        end
        plan.kept = reach(found, kept)
        plan.gone = {}
        for digest in pairs(reach(found, dropped)) do
            if not plan.kept[digest] then plan.gone[digest] = true end
        end
        for _, name in ipairs(sorted(found.digests)) do
            local subject = subject_of(name)
            if subject and plan.gone[subject] and not plan.tags[name] then
                plan.tags[name] = "attached to " .. subject
                attached[#attached + 1] = name
            end
        end
        for _, name in ipairs(plan.order) do attached[#attached + 1] = name end
        local more = #attached > #plan.order
        plan.order = attached
    until not more
    return plan
end

-- Which kept tags lead to a digest, in words; and whether one does so through an index. All digests are looked up at
-- once: a look through all tags for each of them would take too long where there are many of both.
local function users(plan, digest)
    if not plan.users then
        plan.users = {}
        for _, name in ipairs(sorted(plan.found.digests)) do
            local root = plan.found.digests[name]
            for used in pairs(plan.tags[name] and {} or reach(plan.found, { root })) do
                local its = plan.users[used] or { names = {}, index = false }
                its.names[#its.names + 1] = (root == used and "" or "the index ") .. plan.found.name .. ":" .. name
                its.index = its.index or root ~= used
                plan.users[used] = its
            end
        end
    end
    local its = plan.users[digest] or { names = {}, index = false }
    return table.concat(its.names, ", "), its.index
end

local function describe(plan, say)
    local repository, told = plan.found.name, {}
    for _, name in ipairs(sorted(plan.tags)) do
        local digest = plan.found.digests[name]
        say(("delete %s:%s %s (%s)"):format(repository, name, digest or "unreadable", plan.tags[name]))
        if digest and plan.kept[digest] and not told[digest] then
            told[digest] = true
            say(("keep   %s@%s (used by %s)"):format(repository, digest, (users(plan, digest))))
        end
    end
    for _, digest in ipairs(sorted(plan.gone)) do say(("delete %s@%s"):format(repository, digest)) end
end

-- --------------------------------------------------------------------------------------------------------- deleting

-- Fails when the registry takes no deletions here, which a manifest that isn't there tells. When the deletion of a tag
-- is refused, regbot pushes a placeholder over it, to delete that by digest: refused again, the tag would be lost.
local function ask_first(found)
    local names = sorted(found.digests)
    for _, name in ipairs(sorted(found.broken)) do names[#names + 1] = name end
    for _, name in ipairs(names) do
        local readable, absent = pcall(manifest.getList, at(found.name .. ":" .. name))
        local descriptor = readable and absent.config
        if readable and absent.manifests then descriptor = absent.manifests[1] end
        if type(descriptor) == "table" then
            descriptor.size = descriptor.size + 1
            absent = absent:export()
            local ok, err = pcall(absent.delete, absent)
            if ok then fail("FAILED", "the registry claims to delete what it can't have") end
            local why = reason(err)
            if why.code ~= "MANIFEST_UNKNOWN" then error(why, 0) end
            return
        end
    end
    if job.forbidden then fail("UNSUPPORTED", "the registry's settings forbid deletion") end
end

-- The steps of a plan: a tag whose manifest stays, or a manifest, which takes its tags along. An index goes before
-- what it contains: there is no moment in which it is there and incomplete.
local function steps_of(plan)
    local steps, done = {}, {}
    local function manifest_step(digest)
        if plan.gone[digest] and not done[digest] then
            done[digest] = true
            steps[#steps + 1] = { digest = digest }
        end
    end
    for _, name in ipairs(plan.order) do
        local digest = plan.found.digests[name]
        if not digest or plan.kept[digest] then steps[#steps + 1] = { tag = name, digest = digest } end
        if digest then manifest_step(digest) end
    end
    local depth = {}
    local function sink(digest, level)
        if (depth[digest] or -1) >= level then return end
        depth[digest] = level
        for _, child in ipairs(plan.found.children[digest] or {}) do sink(child, level + 1) end
    end
    for digest in pairs(plan.gone) do sink(digest, 0) end
    local rest = sorted(plan.gone)
    table.sort(rest, function(a, b) return depth[a] < depth[b] or depth[a] == depth[b] and a < b end)
    for _, digest in ipairs(rest) do manifest_step(digest) end
    return steps
end

-- What the tags that stay lead to now: those of the plan, and all that were pushed or moved since.
local function used_now(plan)
    local now, kept = read(plan.found.name) or { digests = {}, broken = {}, children = {} }, {}
    for name, why in pairs(now.broken) do
        if not plan.tags[name] then fail("UNREADABLE", ("%s:%s: %s"):format(plan.found.name, name, why)) end
    end
    for name, digest in pairs(now.digests) do
        if not plan.tags[name] or plan.found.digests[name] ~= digest then kept[#kept + 1] = digest end
    end
    return reach(now, kept)
end

local function gone_already(ok, err)
    if ok then return end
    local why = reason(err)
    if why.code ~= "MANIFEST_UNKNOWN" then error(why, 0) end
end

-- Tells remove-images, in lines that begin with a tab, what of a repository stays and what goes, in order.
local function tell(plan)
    local repository, tags_of, told = plan.found.name, {}, {}
    local function line(...) print("\t" .. table.concat({ ... }, " ")) end
    local function tag_line(name)
        if not told[name] then line("tag", repository, name, plan.found.digests[name] or "-") end
        told[name] = true
    end
    for name, digest in pairs(plan.found.digests) do
        if not plan.tags[name] then line("keep", repository, name, digest) end
    end
    for _, name in ipairs(plan.order) do
        local digest = plan.found.digests[name]
        if digest and plan.gone[digest] then
            tags_of[digest] = tags_of[digest] or {}
            table.insert(tags_of[digest], name)
        end
    end
    for _, step in ipairs(steps_of(plan)) do
        if step.tag then
            tag_line(step.tag)
        else
            for _, name in ipairs(tags_of[step.digest] or {}) do tag_line(name) end
            line("manifest", repository, step.digest)
        end
    end
    line("done", repository)
end

-- Says the last word; where the deletion is yet to come, it is remove-images that says it.
local function conclude(text) print((job.store and "\tend " or "") .. text) end

-- Deletes. Says what was kept because it changed meanwhile, and returns how much that was.
local function carry_out(plan)
    if job.store then
        tell(plan)
        return 0
    end
    local repository, used, changed = plan.found.name, nil, 0
    local function kept(what, why)
        print(("keep   %s%s (%s)"):format(repository, what, why))
        changed = changed + 1
    end
    local function check_gone()
        for _, name in ipairs(list_tags(repository) or {}) do
            if plan.tags[name] and not plan.found.digests[name] then
                local text = "%s:%s is still there: this registry can't delete a tag whose manifest is missing. Push it anew first"
                fail("FAILED", text:format(repository, name))
            end
        end
    end
    for number, step in ipairs(steps_of(plan)) do
        if (number - 1) % STEPS_PER_READING == 0 then used = used_now(plan) end
        if step.tag then
            local ok, now = pcall(digest_of, repository .. ":" .. step.tag)
            if step.digest and ok and now ~= step.digest then
                kept(":" .. step.tag, "it has moved to " .. now)
            else
                gone_already(pcall(tag.delete, at(repository .. ":" .. step.tag)))
            end
        elseif used[step.digest] then
            kept("@" .. step.digest, "it has got another tag")
        else
            gone_already(pcall(manifest["__index"].delete, at(repository .. "@" .. step.digest)))
        end
    end
    check_gone()
    return changed
end

-- Runs what decides, and ends with the exit code of the error it raises.
local function run(decide)
    local ok, err = pcall(decide)
    if ok then os.exit(0) end
    local why = reason(err)
    if why.text then complain(why) end
    os.exit(EXIT[why.code])
end
