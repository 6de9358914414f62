-- Deletes the images that somebody asks for; docker-repository-rmi runs it after delete-images.lua. It reads of `job`
--   requests  NAME:TAG or NAME@DIGEST, both with globs before a tag
--   dry       true: say what would go, and delete nothing
--   all_tags  true: a digest takes the tags along that it has
--   shown     the plan that was agreed to; when another one follows by now, nothing is deleted

local plans, plan_of, refusals = {}, {}, {}

local function refuse(code, text) refusals[#refusals + 1] = { code = code, text = text } end

-- The wishes of one repository: tags with why they go, digests, and what was read of it.
local function wishes_of(repository)
    if not plan_of[repository] then
        local found = read(repository)
        if not found then return nil end
        plan_of[repository] = { found = found, tags = {}, digests = {} }
        plans[#plans + 1] = plan_of[repository]
    end
    return plan_of[repository]
end

local function is_glob(text) return text:find("[*?]") ~= nil end

local function repositories(glob)
    if not is_glob(glob) then return { glob } end
    local list = {}
    for _, name in ipairs(catalog()) do
        if fits(glob, name) then list[#list + 1] = name end
    end
    return list
end

local function wish_digest(wishes, digest)
    local ok, err = pcall(digest_of, wishes.found.name .. "@" .. digest)
    if not ok then
        local why = reason(err)
        local text = why.code == "MANIFEST_UNKNOWN" and "there is no such manifest" or why.text
        return refuse(why.code, ("%s@%s: %s"):format(wishes.found.name, digest, text))
    end
    visit(wishes.found, digest)
    wishes.digests[#wishes.digests + 1] = digest
    for name, its in pairs(wishes.found.digests) do
        if job.all_tags and its == digest then wishes.tags[name] = "has the digest" end
    end
end

local function wish_tags(wishes, glob)
    local any = false
    for _, group in ipairs({ wishes.found.digests, wishes.found.broken }) do
        for name in pairs(group) do
            if fits(glob, name) then
                wishes.tags[name] = is_glob(glob) and "fits " .. glob or "asked for"
                any = true
            end
        end
    end
    return any
end

local function wish(request)
    local glob, digest = request:match("^([^@]+)@(.+)$")
    local tags
    if not glob then glob, tags = request:match("^(.+):([^:/]+)$") end
    local any = false
    for _, repository in ipairs(repositories(glob)) do
        local wishes = wishes_of(repository)
        if wishes and digest then
            wish_digest(wishes, digest)
            any = true
        elseif wishes then
            any = wish_tags(wishes, tags) or any
        elseif not is_glob(glob) then
            return refuse("NAME_UNKNOWN", "there is no repository " .. repository)
        end
    end
    if any then return end
    if is_glob(request) then return refuse("UNMATCHED", "nothing fits " .. request) end
    refuse("MANIFEST_UNKNOWN", ("%s has no tag %s"):format(glob, tags))
end

-- A digest goes alone: not while a tag or an index that stays leads to it.
local function check_digests(plan, digests)
    for _, digest in ipairs(digests) do
        local text, index = users(plan, digest)
        if index then
            refuse("USED_BY_INDEX", ("%s@%s is part of %s: delete that first"):format(plan.found.name, digest, text))
        elseif text ~= "" then
            refuse("USED_BY_TAG", ("%s@%s is also %s: name that, or allow all tags"):format(plan.found.name, digest, text))
        end
    end
end

-- Where a part can't be read, nobody knows what else it leads to; only the unreadable itself can go.
local function check_read(wishes)
    for _, name in ipairs(sorted(wishes.found.broken)) do
        if not wishes.tags[name] then
            local text = "%s:%s can't be read (%s): nothing of this repository is deleted but that tag"
            refuse("UNREADABLE", text:format(wishes.found.name, name, wishes.found.broken[name]))
        end
    end
end

local function show()
    local lines = {}
    for _, wishes in ipairs(plans) do
        wishes.plan = follow(wishes.found, wishes.tags, wishes.digests)
        check_read(wishes)
        check_digests(wishes.plan, wishes.digests)
        describe(wishes.plan, function(line) lines[#lines + 1] = line end)
    end
    local text = table.concat(lines, "\n")
    if not job.shown then return print(text) end
    if text ~= job.shown then fail("CHANGED", "it is not any more what was shown; nothing was deleted") end
end

run(function()
    for _, request in ipairs(job.requests) do wish(request) end
    if #refusals == 0 then show() end
    if #refusals > 0 then
        for _, why in ipairs(refusals) do complain(why) end
        fail(refusals[1].code)
    end
    for _, wishes in ipairs(plans) do ask_first(wishes.found) end
    if job.dry then return end
    local changed = 0
    for _, wishes in ipairs(plans) do changed = changed + carry_out(wishes.plan) end
    if changed > 0 then fail("CHANGED", "what changed meanwhile was kept; the rest was deleted") end
    conclude("deleted")
end)
