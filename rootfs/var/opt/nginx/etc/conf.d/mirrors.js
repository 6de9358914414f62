// Of several who ask a mirror for the same blob at a time one is let through, for nginx's JavaScript module. Once the mirror
// has it, it comes from there: the other registry is asked for it once. A mirror hands on what it doesn't have yet as fast
// as its client takes it, so nobody waits long for another: then he asks beside him, as without all this.

// In milliseconds, counted and not timed: clocks are set.
const LONGEST_WAIT = 30 * 1000;
const PAUSE = 50;
const LATER_PAUSE = 500;
const LATER = 5 * 1000;

function decoded(text) {
    return text.replace(/%([0-9A-Fa-f]{2})/g, (all, hex) => String.fromCharCode(parseInt(hex, 16)));
}

function blob(v) {
    const path = v.request_uri.split('?')[0];
    return decoded(path.slice(path.lastIndexOf('/') + 1));
}

function release(v) {
    if (v.fetch) {
        // It may be another's by now, if the time was over.
        if (ngx.shared.fetches.get(v.fetch) === v.request_id) {
            ngx.shared.fetches.delete(v.fetch);
        }
        v.fetch = '';
    }
}

// As auth_request asks: in the end everybody is let through.
async function turn(r) {
    const v = r.variables;
    const name = `${v.mirror} ${blob(v)}`;
    try {
        for (let waited = 0; waited < LONGEST_WAIT && !ngx.shared.kept.has(`${name} ${v.mirrored}`);) {
            if (ngx.shared.fetches.add(name, v.request_id)) {
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
    r.return(204);
}

// The mirror answers. What it has itself it lets clients keep: nobody has to wait for that.
function answered(r) {
    const v = r.variables;
    if (r.headersOut['Cache-Control']) {
        ngx.shared.kept.set(`${v.mirror} ${blob(v)} ${v.mirrored}`, '');
        release(v);
    }
}

// The request has ended, however that happened: as a variable that is asked for when it is logged.
function ended(r) {
    release(r.variables);
    return '';
}

export default {answered, ended, turn};
