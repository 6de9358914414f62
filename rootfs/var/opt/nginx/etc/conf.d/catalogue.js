// The catalogue of an account that may not pull all, for nginx's JavaScript module. The registry's own pages are read one
// after the other, and what the account may not pull is left out; the maps of access.conf decide that, as for a pull. A
// page is full, and says that more follows, by what the account sees alone.

// The most that the registry gives at a time. The site has room for so many of the longest names.
const MOST = 1000;
// As the registry has it.
const DEFAULT = 100;
// A registry that turns in a circle must come to an end.
const MOST_PAGES = 10 * 1000;

function decoded(text) {
    return text.replace(/%([0-9A-Fa-f]{2})/g, (all, hex) => String.fromCharCode(parseInt(hex, 16)));
}

// The first value that a query has for a name, as it was sent. What the registry makes of a strange one is its own matter.
function value(query, name) {
    const found = query.split('&').map((pair) => pair.split('=')).filter((pair) => decoded(pair[0]) === name);
    return found.length ? found[0].slice(1).join('=') : '';
}

function refuse(r, status, code, message) {
    r.headersOut['Content-Type'] = 'application/json';
    r.return(status, JSON.stringify({errors: [{code: code, message: message, detail: null}]}));
}

// A page of the registry's; nothing where it gives none.
async function page(r, last) {
    const reply = await r.subrequest('/catalogue-page', `n=${MOST}&last=${last}`);
    return reply.status === 200 ? JSON.parse(reply.responseText).repositories || [] : null;
}

function is_seen(r, name) {
    r.variables.candidate = name;
    return r.variables.candidate_access === 'allow';
}

// One more than `wanted` of the names that are seen, if there are as many; nothing where the registry gives no answer.
// `last` is encoded.
async function seen(r, last, wanted) {
    const found = [];
    for (let pages = 0; found.length <= wanted && pages < MOST_PAGES; pages++) {
        const names = await page(r, last);
        if (names === null) {
            return null;
        }
        names.filter((name) => is_seen(r, name)).forEach((name) => found.push(name));
        if (names.length < MOST) {
            break;
        }
        last = encodeURIComponent(names[names.length - 1]);
    }
    return found;
}

// Answers a question for the catalogue by what `find(r, last, wanted)` gives: see `seen`. `tell(r, names)` may add headers.
async function answer(r, find, tell) {
    const parts = r.variables.request_uri.split('?');
    const query = parts.slice(1).join('?');
    const n = decoded(value(query, 'n'));
    if (!/^[0-9]{0,6}$/.test(n) || Number(n) > MOST) {
        refuse(r, 400, 'PAGINATION_NUMBER_INVALID', 'invalid number of results requested');
        return;
    }
    const wanted = n === '' ? DEFAULT : Number(n);
    const found = wanted ? await find(r, value(query, 'last'), wanted) : [];
    if (found === null) {
        refuse(r, 503, 'UNAVAILABLE', 'the registry does not answer; try again in a few seconds');
        return;
    }
    const shown = found.slice(0, wanted);
    if (found.length > wanted) {
        const last = encodeURIComponent(shown[wanted - 1]);
        r.headersOut['Link'] = `</v2/_catalog?last=${last}&n=${wanted}>; rel="next"`;
    }
    tell(r, shown);
    r.headersOut['Content-Type'] = 'application/json';
    r.return(200, JSON.stringify({repositories: shown}) + '\n');
}

function show(r) {
    return answer(r, seen, () => undefined);
}

export default {MOST, MOST_PAGES, answer, decoded, is_seen, show};
