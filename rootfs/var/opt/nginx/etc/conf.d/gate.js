// The gate of writes, for nginx's JavaScript module. What changes the registry waits here, before the registry hears of
// it, until there is a writer and nobody is about to stop it; then it is written down in that writer's journal and goes
// to that writer's socket. A request that was let through and then was slow finds a socket that is gone, and no later
// writer: each has a directory of its own (see registry-start).
//
// The clean-up reads the journal before it removes anything. What a client was told or has pushed stays.
import crypto from 'crypto';
import fs from 'fs';
import memory from '/etc/nginx/conf.d/asked.js';

const RUN = '/run/registry';
const WRITERS = `${RUN}/writers`;

// All in milliseconds. How long a request waits is counted and not timed: clocks are set.
const LONGEST_WAIT = 300 * 1000;
// Each look costs some kilobytes until the request ends: who waits long looks less often.
const PAUSE = 100;
const LATER_PAUSE = 1000;
const LATER = 10 * 1000;
// Who is refused by a writer that is still said to be there waits so long for another one, and then tries again.
const BEFORE_ANOTHER_TRY = 2000;
// Each costs two of the ten redirects that nginx grants a request; with more it would answer 500.
const MOST_WRITERS = 3;
// One who stops the writer says so again each second: what is older was left behind.
const CLOSING = 5000;

// While images move to another storage there is no reader for some seconds (registryctl move). What is older says nothing.
const MOVING = 15 * 60 * 1000;
const LONGEST_READ_WAIT = 120 * 1000;

const LONGEST_JOURNAL = 64 * 1024 * 1024;

// No algorithm has a longer name. Without a bound, each letter of a query would be looked at from all those before it.
const DIGEST = /[A-Za-z0-9][A-Za-z0-9+._-]{0,31}:[A-Za-z0-9=_-]{32,}/g;

function is_closing() {
    try {
        return Math.abs(Date.now() - fs.statSync(`${RUN}/closing`).mtimeMs) < CLOSING;
    } catch (e) {
        return false;
    }
}

// The generation that is there, or nothing.
function current() {
    try {
        const name = fs.readFileSync(`${WRITERS}/current`).toString().trim();
        if (!/^[0-9a-f-]+$/.test(name)) {
            return '';
        }
        // One that takes no more requests has taken its socket away.
        fs.statSync(`${WRITERS}/${name}/socket`);
        return name;
    } catch (e) {
        return '';
    }
}

function decoded(text) {
    return text.replace(/%([0-9A-Fa-f]{2})/g, (all, hex) => String.fromCharCode(parseInt(hex, 16)));
}

// A line for each thing that the request names: what it puts there or takes away, or asks for before it pushes.
function lines(v) {
    const parts = v.request_uri.split('?');
    const line = (kind, name) => `${Math.floor(Date.now() / 1000)} ${v.request_method} ${v.repository} ${kind} ${name}\n`;
    if (v.named === 'manifest' || v.named === 'blob') {
        return line(v.named, decoded(parts[0].slice(parts[0].lastIndexOf('/') + 1)));
    }
    // Whatever looks like a digest in the query of an upload: the registry may understand more spellings than we do.
    const digests = decoded(parts.slice(1).join('?')).match(DIGEST) || [];
    return digests.map((digest) => line('blob', digest)).join('');
}

// Whether it is written down. A journal that misses something is no longer whole, and is then not relied upon.
function noted(generation, text) {
    if (!text) {
        return true;
    }
    const home = `${WRITERS}/${generation}`;
    try {
        if (fs.statSync(`${home}/journal`).size > LONGEST_JOURNAL) {
            throw new Error('the journal is too long');
        }
        fs.appendFileSync(`${home}/journal`, text);
        return true;
    } catch (e) {
        try {
            fs.unlinkSync(`${home}/whole`);
            return true;
        } catch (not_unlinked) {
            return not_unlinked.code === 'ENOENT';
        }
    }
}

function pause(milliseconds) {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

// Waits until the request may go on; then $writer names the generation that it goes to. False: it waited too long.
async function admitted(r) {
    const v = r.variables;
    const refused_by = v.writer;
    let waited = 0;
    while (waited < LONGEST_WAIT) {
        const generation = is_closing() ? '' : current();
        const is_new = generation !== refused_by || waited >= BEFORE_ANOTHER_TRY;
        // Looked at again once it is written down: who reads the journal takes `current` away before.
        if (generation && is_new && noted(generation, lines(v)) && current() === generation) {
            v.writer = generation;
            return true;
        }
        const now = waited < LATER ? PAUSE : LATER_PAUSE;
        await pause(now);
        waited += now;
    }
    return false;
}

// For requests with a long body, which is not read meanwhile: as auth_request asks.
async function pass(r) {
    const may = await admitted(r);
    r.return(may ? 204 : 403);
}

// For the question whether a blob or a manifest is there, which a client asks before it pushes: answered in any case.
async function pass_question(r) {
    await admitted(r);
    r.return(204);
}

// --- tags that can't be moved -----------------------------------------------------------------------------------------
// Of several pushes of such a tag one after the other looks which image it has, and then writes. Who is at it has a claim,
// in memory that all workers share. It goes with the registry's answer; of a worker that ended, once the writer must have
// done what it was asked; and at the latest when its time is over (immutable.conf).
const AFTER_A_DEATH = 10 * 1000;

function claim_name(v) {
    return `${v.repository}:${v.named_tag}`;
}

function is_alive(claim) {
    try {
        fs.statSync(`/proc/${claim.split(' ')[0]}`);
        return true;
    } catch (e) {
        return false;
    }
}

function release(v) {
    if (v.claim) {
        // It may be another's by now, if the time was over.
        if (ngx.shared.claims.get(claim_name(v)) === v.claim) {
            ngx.shared.claims.delete(claim_name(v));
        }
        v.claim = '';
    }
}

// Takes the claim of a worker that is gone. Of several who see it one does.
function inherits(name, claim, own) {
    if (!ngx.shared.claims.add(`${name} after ${claim}`, own)) {
        return false;
    }
    ngx.shared.claims.set(name, own);
    return true;
}

// Waits until the claim is this request's. False: it waited too long.
async function claimed(v) {
    const name = claim_name(v);
    const own = `${process.pid} ${v.request_id}`;
    let orphan = '';
    let orphaned = 0;
    for (let waited = 0; waited < LONGEST_WAIT;) {
        const other = ngx.shared.claims.get(name);
        if (other !== orphan) {
            // Each claim has its own ten seconds.
            orphan = other;
            orphaned = 0;
        }
        if (ngx.shared.claims.add(name, own) || (orphaned >= AFTER_A_DEATH && other && inherits(name, other, own))) {
            v.claim = own;
            return true;
        }
        const now = waited < LATER ? PAUSE : LATER_PAUSE;
        await pause(now);
        waited += now;
        orphaned = other && !is_alive(other) ? orphaned + now : 0;
    }
    return false;
}

// The image of a tag that the registry answers 404 for: none, or one that is gone while the tag still names it. Nothing
// where the answer doesn't say: registries 2 and 3 say it in their own words.
function lost_image(text) {
    const error = JSON.parse(text).errors[0];
    const detail = error.code === 'MANIFEST_UNKNOWN' ? JSON.stringify(error.detail) : '';
    const digest = detail.match(/sha256:[0-9a-f]{64}/);
    return digest ? digest[0] : /^("unknown tag=|{"Tag":)/.test(detail) ? '' : null;
}

// Which image the tag has; empty: none. Nothing where that is not known.
async function image_now(r) {
    // Its body may be long, so it is only asked for where there is no image.
    const reply = await r.subrequest('/tag-now', {method: 'HEAD'});
    if (reply.status === 200) {
        return reply.headersOut['Docker-Content-Digest'] || null;
    }
    const said = reply.status === 404 ? await r.subrequest('/tag-now', {method: 'GET'}) : reply;
    return said.status === 404 ? lost_image(said.responseText) : null;
}

// Whether the tag may get this image: it has none, or the same. Nothing where that is not known.
async function is_free(r) {
    const digest = await image_now(r);
    // In memory: the site has room for it there.
    const body = r.requestBuffer;
    const own = () => `sha256:${crypto.createHash('sha256').update(body && body.length ? body : '').digest('hex')}`;
    return digest === null ? null : digest === '' || digest === own();
}

async function way_of_tag(r) {
    if (!(await admitted(r))) {
        return '@held';
    }
    // Looked at once it is let through: tools of the host may change the tag before.
    const free = await is_free(r);
    return free ? '@writer' : free === false ? '@immutable' : '@held';
}

// For the push of a tag that can't be moved.
async function forward_tag(r) {
    const v = r.variables;
    let way = '@held';
    try {
        // Sent again to the next writer, it has its claim already.
        if (v.claim || await claimed(v)) {
            way = await way_of_tag(r);
        }
    } catch (e) {
        r.error(`the tag can't be looked at: ${e.message}`);
    }
    if (way !== '@writer') {
        release(v);
    }
    r.internalRedirect(way);
}

// For all others, whose body has come in whole by now: one that comes slowly keeps no writer.
async function forward(r) {
    const may = await admitted(r);
    r.internalRedirect(may ? '@writer' : '@held');
}

function is_moving() {
    try {
        return Math.abs(Date.now() - fs.statSync(`${RUN}/moving`).mtimeMs) < MOVING;
    } catch (e) {
        return false;
    }
}

function has_reader() {
    try {
        fs.statSync(`${RUN}/reader.socket`);
        return true;
    } catch (e) {
        return false;
    }
}

// There was no reader to ask. One that is said to be there now was seen gone just before: it gets a moment.
async function read_later(r) {
    for (let waited = 0; waited < LONGEST_READ_WAIT && is_moving();) {
        const now = waited < LATER ? PAUSE : LATER_PAUSE;
        await pause(now);
        waited += now;
        if (has_reader()) {
            r.internalRedirect('@reader');
            return;
        }
    }
    r.internalRedirect('@nobody');
}

// The writer has refused, or went away before it answered: to the next one.
async function forward_again(r) {
    const v = r.variables;
    v.refusals = Number(v.refusals) + 1;
    if (Number(v.refusals) < MOST_WRITERS) {
        await (v.way === '/tag' ? forward_tag : forward)(r);
        return;
    }
    release(v);
    r.internalRedirect('@held');
}

// The registry has answered. Once a manifest is there, what it refers to needs no journal any more to be kept.
function note_manifest(r) {
    const v = r.variables;
    const digest = r.headersOut['Docker-Content-Digest'];
    // Nobody knows what a writer still does that has not answered in time.
    if (r.status !== 504) {
        release(v);
    }
    if (r.status === 202 && v.request_method === 'DELETE') {
        memory.forget(r);
    }
    if (r.status === 201 && v.request_method === 'PUT' && v.named === 'manifest' && digest) {
        noted(v.writer, `${Math.floor(Date.now() / 1000)} DONE ${v.repository} manifest ${digest}\n`);
    }
}

export default {forward, forward_again, forward_tag, note_manifest, pass, pass_question, read_later};
