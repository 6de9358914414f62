// The catalogue where there are mirrors, in place of catalogue.js, for nginx's JavaScript module: the registry's own
// repositories and what each mirror has, below its prefix, in the registry's order. Of both the pages are read one after
// the other, and what the account may not pull is left out; maps decide that, as for a pull. A page is full, and says that
// more follows, by what the account sees alone. A mirror that doesn't answer has nothing to show; the registry has to.

import catalogue from '/etc/nginx/conf.d/catalogue.js';

const MOST = catalogue.MOST;
// One that turns in a circle must come to an end.
const MOST_PAGES_OF_MIRROR = 100;
const LONGEST = 255;
const NAME = /^[a-z0-9]+(?:(?:[.]|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[.]|__?|-+)[a-z0-9]+)*)*$/;

// A registry compares names part by part.
function place(name) {
    return name.replace(/\//g, '\x00');
}

function is_mirrored(r, name) {
    r.variables.candidate = name;
    return r.variables.candidate_mirrored !== '';
}

// The registry's own names after `last`, which is encoded.
function own(last, prefixes) {
    return {
        location: '/catalogue-page',
        prefix: '',
        last: last,
        most: catalogue.MOST_PAGES,
        // A mirror hides what lies below its prefix.
        names: (found) => found.filter((name) => !prefixes.some((prefix) => name.startsWith(`${prefix}/`))),
    };
}

// What a mirror has after `last`. It speaks with strangers: what is no name, or comes in another order, ends it.
function mirrored(r, prefix, last) {
    const below = `${prefix}/`;
    let before = last.startsWith(below) ? last : '';
    return {
        location: `/catalogue-page/${prefix}`,
        prefix: below,
        last: encodeURIComponent(before.slice(below.length)),
        most: MOST_PAGES_OF_MIRROR,
        names: (found) => {
            const are_names = found.every((its) => {
                const name = `${below}${its}`;
                const follows = typeof its === 'string' && name.length <= LONGEST && NAME.test(its) &&
                    place(name) > place(before);
                before = name;
                return follows;
            });
            return are_names ? found.map((its) => `${below}${its}`).filter((name) => is_mirrored(r, name)) : null;
        },
    };
}

// A page of what a registry has, as it is; nothing where it gives none.
async function page(r, its) {
    const reply = await r.subrequest(its.location, `n=${MOST}&last=${its.last}`);
    if (reply.status !== 200) {
        return null;
    }
    try {
        const found = JSON.parse(reply.responseText).repositories || [];
        return Array.isArray(found) ? found : null;
    } catch (e) {
        return null;
    }
}

// Has the next of its names ready that are seen, if there is one. False where it doesn't answer.
async function advance(r, its) {
    its.ready = its.ready || [];
    while (!its.ready.length && its.most > 0) {
        its.most -= 1;
        const found = await page(r, its);
        const names = found && its.names(found);
        if (!names) {
            its.most = 0;
            return false;
        }
        if (found.length < MOST) {
            its.most = 0;
        } else {
            its.last = encodeURIComponent(found[found.length - 1]);
        }
        its.ready = names.filter((name) => catalogue.is_seen(r, name));
    }
    return true;
}

// One more than `wanted` of the names that are seen, if there are as many; nothing where the registry gives no answer.
async function seen(r, last, wanted) {
    const prefixes = r.variables.mirror_prefixes.split(' ');
    const after = catalogue.decoded(last);
    const all = [own(last, prefixes)];
    prefixes.filter((prefix) => after.startsWith(`${prefix}/`) || place(after) < place(`${prefix}/`))
        .forEach((prefix) => all.push(mirrored(r, prefix, after)));
    const found = [];
    while (found.length <= wanted) {
        let next = null;
        for (let number = 0; number < all.length; number++) {
            const its = all[number];
            if (!await advance(r, its) && !its.prefix) {
                return null;
            }
            if (its.ready.length && (!next || place(its.ready[0]) < place(next.ready[0]))) {
                next = its;
            }
        }
        if (!next) {
            break;
        }
        found.push(next.ready.shift());
    }
    return found;
}

// What of these nobody can delete here. To look at it would fetch its tags from the other registry.
function tell(r, shown) {
    const elsewhere = r.variables.mirror_prefixes.split(' ')
        .filter((prefix) => shown.some((name) => name.startsWith(`${prefix}/`)));
    if (elsewhere.length) {
        r.headersOut['Docker-Registry-Mirrored'] = elsewhere.join(' ');
    }
}

function show(r) {
    return catalogue.answer(r, seen, tell);
}

export default {show};
