// What of images in an object store the proxy keeps on its disk, for nginx's JavaScript module. There is one copy for all
// repositories: it is handed out once the registry has said that this repository has it, which is remembered for a moment.
// A tag is asked for each time. Where no answer comes, what was told lately counts a little longer.
import crypto from 'crypto';
import fs from 'fs';
import memory from '/etc/nginx/conf.d/asked.js';

// There while the disk has hardly any room (nginx-cache).
const FULL = '/run/cache-full';
const KEPT = '/var/cache/nginx/store';
const TIMED_OUT = 504;
// Milliseconds: as often as the registry itself looks whether its store is there.
const SILENCE = 10 * 1000;

// Milliseconds for which an answer counts, by `$remembered`.
function span(v) {
    return Number(v.remembered);
}

function name_of(v, kind, which) {
    return `${kind} ${v.repository} ${which}`;
}

function named(v) {
    return v.cached === 'blob' ? v.cached_blob : v.cached === 'manifest' ? v.cached_manifest : '';
}

// As a variable: where the request goes on, nothing: the registry answers it.
function way(r) {
    const v = r.variables;
    if (!v.cached || v.cache_zone === 'off' || fs.existsSync(FULL)) {
        return '';
    }
    const digest = named(v);
    const name = name_of(v, v.cached, digest);
    if (!digest || !memory.recalled(name, span(v))) {
        return '/ask-store';
    }
    if (!memory.mark(name, v.repository, `${v.cached}:${digest}`, span(v)) && !is_silent() && memory.is_worn(name, span(v))) {
        v.ask_anew = '1';
        return '/ask-store';
    }
    v.cached_digest = digest;
    return `/cached-${v.cached}`;
}

async function question(r, kind, which, condition) {
    const v = r.variables;
    v.cache_question = `/v2/${v.repository}/${kind}s/${which}`;
    v.cache_condition = condition;
    const reply = await r.subrequest('/cache-asks', {method: 'HEAD'});
    // What the registry refuses by itself says nothing of its store.
    if ([200, 304, TIMED_OUT].includes(reply.status)) {
        heard(reply.status !== TIMED_OUT);
    }
    return reply;
}

// Whether the registry and its store answered just now.
function heard(answer) {
    if (ngx.shared.asked) {
        if (answer) {
            ngx.shared.asked.delete('silent');
        } else {
            ngx.shared.asked.set('silent', String(Date.now()));
        }
    }
}

// Whether a question got no answer a moment ago, and nothing came since: each costs seconds, and an image needs many. What was
// told lately counts.
function is_silent() {
    const age = Date.now() - Number(ngx.shared.asked ? ngx.shared.asked.get('silent') || 0 : 0);
    return age >= 0 && age < SILENCE;
}

// --- a blob that is not kept yet --------------------------------------------------------------------------------------
// Whoever fetches its first piece learns by that whether his repository has it. So one goes first, past what is kept; others
// wait for him, and ask. Nobody who has not been told yes gets anything of another's. Each repository has its own first: nobody
// holds up those of another, or learns by his own wait that they fetch it.
const LONGEST_WAIT = 30 * 1000;
// Each look costs some kilobytes until the request ends: there are the fewer, the longer it takes.
const PAUSE = 50;
const LONGEST_PAUSE = 1000;

// Where nginx keeps the first piece of a blob: by the MD5 of its key (proxy_cache_key), in a directory of its last two digits.
function is_kept(v, digest) {
    const name = crypto.createHash('md5').update(`blob ${digest} ${v.first_piece}`).digest('hex');
    return fs.existsSync(`${KEPT}/${name.slice(-2)}/${name}`);
}

async function goes_first(v, digest) {
    let waited = 0;
    while (waited < LONGEST_WAIT && !is_kept(v, digest)) {
        if (ngx.shared.firsts.add(name_of(v, 'blob', digest), v.request_id)) {
            v.first = digest;
            v.first_asked = Date.now();
            return true;
        }
        const now = Math.min(PAUSE + Math.floor(waited / 10), LONGEST_PAUSE);
        await new Promise((resolve) => setTimeout(resolve, now));
        waited += now;
    }
    return false;
}

function make_way(v) {
    const name = name_of(v, 'blob', v.first);
    if (v.first && ngx.shared.firsts.get(name) === v.request_id) {
        ngx.shared.firsts.delete(name);
    }
}

// Whoever does not get it holds nobody up, however slowly he takes that answer.
function answered(r) {
    if (r.status >= 300) {
        make_way(r.variables);
    }
}

// The request has ended, however that happened: as a variable that is asked for when it is logged.
function ended(r) {
    const v = r.variables;
    if (v.status === '200') {
        memory.remember(name_of(v, 'blob', v.first), v.first, Number(v.first_asked));
        // One that began before the store was silent tells nothing.
        if (ngx.shared.asked && Number(v.first_asked) > Number(ngx.shared.asked.get('silent') || 0)) {
            heard(true);
        }
    }
    make_way(v);
    return '';
}

// Where it goes on with what the repository may have.
async function way_by_answer(r, kind, digest) {
    const v = r.variables;
    const name = name_of(v, kind, digest);
    if (!v.ask_anew && memory.recalled(name, is_silent() ? 2 * span(v) : span(v))) {
        return `/cached-${kind}`;
    }
    const asked = Date.now();
    const reply = await question(r, kind, `sha256:${digest}`, '');
    if (reply.status === 200) {
        memory.remember(name, digest, asked);
    } else if (reply.status === 404) {
        memory.forget_one(name);
        // Asked twice, it would take longer than one that nobody pulled, of whatever repository.
        return kind === 'blob' ? '@no_blob' : '@from_store';
    }
    const counts = reply.status === 200 || (reply.status >= 500 && memory.recalled(name, 2 * span(v)) !== '');
    return counts ? `/cached-${kind}` : '@from_store';
}

// The digest of the image that a tag has. The registry need not look at that image to say that the tag still has it.
async function tagged(r) {
    const v = r.variables;
    const name = name_of(v, 'tag', v.named_tag);
    const before = memory.recalled(name, 2 * span(v));
    if (before && is_silent()) {
        return before;
    }
    const asked = Date.now();
    const reply = await question(r, 'manifest', v.named_tag, before && `"sha256:${before}"`);
    if (reply.status === 200) {
        const said = /^sha256:([0-9a-f]{64})$/.exec(reply.headersOut['Docker-Content-Digest'] || '');
        if (!said) {
            return '';
        }
        memory.remember(name_of(v, 'manifest', said[1]), said[1], asked);
        memory.remember(name, said[1], asked);
        return said[1];
    }
    if (reply.status === 304) {
        memory.remember(name, before, asked);
    } else if (reply.status === 404) {
        memory.forget_one(name);
    }
    return reply.status === 304 || reply.status >= 500 ? before : '';
}

async function ask(r) {
    const v = r.variables;
    const kind = v.cached === 'blob' ? 'blob' : 'manifest';
    let way = '@from_store';
    try {
        const digest = v.cached === 'tag' ? await tagged(r) : named(v);
        v.cached_digest = digest;
        if (kind === 'blob' && !v.http_range && await goes_first(v, digest)) {
            way = '/first-blob';
        } else if (digest) {
            way = await way_by_answer(r, kind, digest);
        }
    } catch (e) {
        r.error(`the registry can't be asked: ${e.message}`);
    }
    r.internalRedirect(way);
}

export default {answered, ask, ended, way};
