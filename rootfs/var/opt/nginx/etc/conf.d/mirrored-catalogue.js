// The catalogue where there are mirrors, in place of catalogue.js, for nginx's JavaScript module: the registry's own
// repositories and what each mirror has, below its prefix, in the registry's order. Of both the pages are read one after
// the other, and what the account may not pull is left out; maps decide that, as for a pull. A page is full, and says that
// more follows, by what the account sees alone. The registry has to answer. A mirror speaks with strangers: one that does not
// answer, or says too much or for too long, has no more to show, and who may pull all is told which that is.

import catalogue from '/etc/nginx/conf.d/catalogue.js';

const MOST = catalogue.MOST;
// Of a mirror, for one question: pages, letters and milliseconds; the last is for one page.
const MOST_PAGES_OF_MIRROR = 40;
const MOST_LETTERS = 2 * 1024 * 1024;
const LONGEST_TIME = 20 * 1000;
const LONGEST_PAGE = 10 * 1000;
const LONGEST = 255;
const NAME = /^[a-z0-9]+(?:(?:[.]|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[.]|__?|-+)[a-z0-9]+)*)*$/;

// A registry compares names part by part.
function place(name) {
    return name.replace(/\//g, '\x00');
}

// Whether an account sees a mirror's repository, and it is mirrored still.
function is_seen(r, name) {
    return catalogue.is_seen(r, name) && r.variables.candidate_mirrored !== '';
}

// The registry's own names after `last`, which is encoded.
function own(last, prefixes) {
    return {
        location: '/catalogue-page',
        prefix: '',
        last: last,
        pages: catalogue.MOST_PAGES,
        letters: Infinity,
        ready: [],
        // A mirror hides what lies below its prefix.
        names: (r, found) => found.filter((name) => !prefixes.some((prefix) => name.startsWith(`${prefix}/`)))
            .filter((name) => catalogue.is_seen(r, name)),
    };
}

// What a mirror has after `last`. What is no name, or comes in another order, or more than was asked for, ends it.
function mirrored(prefix, last) {
    const below = `${prefix}/`;
    const after = last.startsWith(below) ? last.slice(below.length) : '';
    let before = place(after);
    return {
        location: `/catalogue-page/${prefix}`,
        prefix: prefix,
        last: encodeURIComponent(after),
        pages: MOST_PAGES_OF_MIRROR,
        letters: MOST_LETTERS,
        ready: [],
        names: (r, found) => {
            const are_names = found.length <= MOST && found.every((its) => {
                if (typeof its !== 'string' || below.length + its.length > LONGEST || !NAME.test(its)) {
                    return false;
                }
                const here = place(its);
                const follows = here > before;
                before = here;
                return follows;
            });
            return are_names ? found.map((its) => below + its).filter((name) => is_seen(r, name)) : null;
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
        const text = reply.responseText;
        its.pages -= 1;
        its.letters -= text.length;
        const found = JSON.parse(text).repositories || [];
        return Array.isArray(found) ? found : null;
    } catch (e) {
        return null;
    }
}

// Has the next of its names ready that are seen, if there is one.
async function advance(r, its) {
    while (!its.ready.length && !its.ended) {
        const may = its.pages > 0 && its.letters > 0 && !its.late;
        const found = may ? await page(r, its) : null;
        const names = found && its.names(r, found);
        if (!names) {
            its.ended = true;
            its.failed = may || its.prefix !== '';
            return;
        }
        its.ended = found.length < MOST;
        if (!its.ended) {
            its.last = encodeURIComponent(found[found.length - 1]);
        }
        its.ready = names;
    }
}

// The next of all names, in order, up to one more than `wanted`; nothing where the registry gives no answer.
async function merged(r, all, wanted) {
    const found = [];
    while (found.length <= wanted) {
        const waiting = all.filter((its) => !its.ready.length && !its.ended);
        if (waiting.length) {
            await Promise.all(waiting.map((its) => advance(r, its)));
        }
        if (all[0].failed) {
            return null;
        }
        let next = null;
        all.forEach((its) => {
            if (its.ready.length && (!next || place(its.ready[0]) < place(next.ready[0]))) {
                next = its;
            }
        });
        if (!next) {
            break;
        }
        found.push(next.ready.shift());
    }
    return found;
}

// One more than `wanted` of the names that are seen, if there are as many; nothing where the registry gives no answer. The
// prefixes of mirrors that did not tell all are added to `missing`.
async function seen(r, last, wanted, missing) {
    const prefixes = r.variables.mirror_prefixes.split(' ');
    const after = catalogue.decoded(last);
    const all = [own(last, prefixes)];
    prefixes.filter((prefix) => after.startsWith(`${prefix}/`) || place(after) < place(`${prefix}/`))
        .forEach((prefix) => all.push(mirrored(prefix, after)));
    const clock = setTimeout(() => all.slice(1).forEach((its) => {
        its.late = true;
    }), LONGEST_TIME);
    try {
        return await merged(r, all, wanted);
    } finally {
        clearTimeout(clock);
        all.slice(1).filter((its) => its.failed).forEach((its) => missing.push(its.prefix));
    }
}

// What of these nobody can delete here. To look at it would fetch its tags from the other registry.
function tell(r, shown, missing) {
    const elsewhere = r.variables.mirror_prefixes.split(' ')
        .filter((prefix) => shown.some((name) => name.startsWith(`${prefix}/`)));
    if (elsewhere.length) {
        r.headersOut['Docker-Registry-Mirrored'] = elsewhere.join(' ');
    }
    // Who may not pull all is not told which mirrors there are.
    if (missing.length && r.variables.access === 'allow') {
        r.headersOut['Docker-Registry-Missing'] = missing.join(' ');
    }
}

function show(r) {
    const missing = [];
    return catalogue.answer(
        r, (r, last, wanted) => seen(r, last, wanted, missing), (r, shown) => tell(r, shown, missing));
}

// A mirror's page, on a connection of its own. Should it say more than there is room for, or drip, that ends, and nothing
// else. Nobody waits for it by then: the catalogue has a time for each page.
async function hand_on(r) {
    const clock = setTimeout(() => {
        r.variables.mirror_is_late = '1';
    }, LONGEST_PAGE);
    const reply = await r.subrequest(`/page${r.uri}`, r.variables.args || '');
    clearTimeout(clock);
    if (reply.status === 200) {
        r.return(200, reply.responseBuffer);
    } else {
        r.return(502);
    }
}

// Each part of a mirror's page. A subrequest has no other end that a script could give it.
function hand_part(r, data, flags) {
    if (r.variables.mirror_is_late) {
        throw new Error('a mirror takes too long to say what it has');
    }
    r.sendBuffer(data, flags);
}

export default {hand_on, hand_part, show};
