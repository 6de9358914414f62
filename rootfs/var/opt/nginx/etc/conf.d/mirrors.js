// Of several who ask a mirror for the same blob of a repository at a time one is let through, for nginx's JavaScript module.
// Once the mirror has it, it comes from there: the other registry is asked for it once. A mirror hands on what it doesn't have
// yet as fast as its client takes it, so nobody waits long for another: then he asks beside him, as without all this. Nobody
// waits for those of another repository: who may pull from that one alone could hold up each new layer.

// In milliseconds. How long a request waits is counted and not timed: clocks are set.
const LONGEST_WAIT = 30 * 1000;
const PAUSE = 50;
const LATER_PAUSE = 500;
const LATER = 5 * 1000;
// The last byte is with the client before the mirror has put what it wrote in its place, which takes longer for more.
const SETTLING = 500;
const LONGEST_SETTLING = 10 * 1000;
const SETTLED_EACH = 100 * 1000;

function decoded(text) {
    return text.replace(/%([0-9A-Fa-f]{2})/g, (all, hex) => String.fromCharCode(parseInt(hex, 16)));
}

// The blob that is asked for, of one repository.
function wanted(v) {
    const path = v.request_uri.split('?')[0];
    return `${v.mirror} ${v.mirrored} ${decoded(path.slice(path.lastIndexOf('/') + 1))}`;
}

// Ends a turn; the next one begins `later`, if that is said. It may be another's by now, if the time was over.
function release(v, later) {
    if (v.fetch && ngx.shared.fetches.get(v.fetch) === v.request_id) {
        if (later) {
            ngx.shared.fetches.set(v.fetch, `until ${Date.now() + later}`);
        } else {
            ngx.shared.fetches.delete(v.fetch);
        }
    }
    v.fetch = '';
}

// Whether a turn is over that was to end by itself. A clock that was set back ends it at once.
function is_over(turn) {
    const left = turn && turn.startsWith('until ') ? Number(turn.slice('until '.length)) - Date.now() : 1;
    return left <= 0 || left > LONGEST_SETTLING;
}

function begins(name, own) {
    if (ngx.shared.fetches.add(name, own)) {
        return true;
    }
    const other = ngx.shared.fetches.get(name);
    // Of several who see that it is over one goes.
    if (is_over(other) && ngx.shared.fetches.add(`${name} after ${other}`, own)) {
        ngx.shared.fetches.set(name, own);
        return true;
    }
    return false;
}

// In the end everybody is let through.
async function turn(r) {
    const v = r.variables;
    const name = wanted(v);
    try {
        for (let waited = 0; waited < LONGEST_WAIT && !ngx.shared.kept.has(name);) {
            if (begins(name, v.request_id)) {
                v.fetch = name;
                break;
            }
            const now = waited < LATER ? PAUSE : LATER_PAUSE;
            await new Promise((resolve) => setTimeout(resolve, now));
            waited += now;
        }
    } catch (e) {
        r.error(`the mirror's turns can't be told: ${e.message}`);
    }
    r.internalRedirect('@mirrored_blob');
}

// The mirror answers. What it has itself it lets clients keep: nobody has to wait for that.
function answered(r) {
    const v = r.variables;
    if (r.headersOut['Cache-Control']) {
        ngx.shared.kept.set(wanted(v), '');
        release(v, 0);
    }
}

// The request has ended, however that happened: as a variable that is asked for when it is logged.
function ended(r) {
    const v = r.variables;
    // Who got none leaves nothing behind: of names that are not there anybody has any number.
    const got = v.status === '200' || v.status === '206';
    release(v, got ? Math.min(SETTLING + Number(v.body_bytes_sent) / SETTLED_EACH, LONGEST_SETTLING) : 0);
    return '';
}

export default {answered, ended, turn};
