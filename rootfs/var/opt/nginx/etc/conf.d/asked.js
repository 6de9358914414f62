// What the registry said lately of images in an object store (cache.js), for nginx's JavaScript module, until something is
// deleted here (gate.js).
import fs from 'fs';

// Some of it nginx itself looks up, by marks (registry.conf): to begin a script takes it longer than a small blob. A mark is a
// file in a directory of the ten seconds in which it counts, and is not made where that would be too long.
const MARKS = '/run/asked';
const MOMENT = 10 * 1000;
// So often an answer has to be recalled without a mark, in the second half of its time, before the registry is asked anew. The
// third word of an entry is how often it was.
const OFTEN = 16;

function at(entry) {
    return Number(entry.split(' ')[0]);
}

// When something was deleted here last. What the registry said before that may not be so any more.
function deleted() {
    return Number(ngx.shared.asked.get('deleted') || 0);
}

// The digest that was told, not longer than `milliseconds` ago, or nothing. A clock that was set back ends it.
function recalled(what, milliseconds) {
    const found = ngx.shared.asked ? ngx.shared.asked.get(what) : undefined;
    if (!found || at(found) <= deleted()) {
        return '';
    }
    const age = Date.now() - at(found);
    return age >= 0 && age < milliseconds ? found.split(' ')[1] : '';
}

// `asked`: when the registry was.
function remember(what, digest, asked) {
    if (ngx.shared.asked && asked > deleted()) {
        ngx.shared.asked.set(what, `${asked} ${digest}`);
    }
}

// The repository does not have it any more.
function forget_one(what) {
    if (ngx.shared.asked) {
        ngx.shared.asked.delete(what);
    }
}

function remove_others(moment) {
    fs.readdirSync(MARKS).filter((other) => other !== moment).forEach((other) => {
        fs.rmdirSync(`${MARKS}/${other}`, {recursive: true});
    });
}

// Lets nginx see what was just recalled, which counts for `milliseconds` from when it was told. False: that ends before
// these ten seconds do.
function mark(what, repository, name, milliseconds) {
    const moment = Math.floor(Date.now() / MOMENT);
    const home = `${MARKS}/${moment}`;
    try {
        const asked = at(ngx.shared.asked.get(what));
        if (asked + milliseconds < (moment + 1) * MOMENT) {
            return false;
        }
        if (!fs.existsSync(home)) {
            remove_others(String(moment));
        }
        fs.mkdirSync(`${home}/${repository}`, {recursive: true});
        fs.writeFileSync(`${home}/${repository}/${name}`, '');
        // Whoever deletes says so before he looks for marks.
        if (asked <= deleted()) {
            fs.unlinkSync(`${home}/${repository}/${name}`);
        }
    } catch (e) {
        // Forgotten meanwhile, or no room: without a mark a script answers.
    }
    return true;
}

// Whether to ask the registry anew about what was just recalled, and has no mark any more: one of many requests has to, as each
// of them starts a script.
function is_worn(what, milliseconds) {
    const found = ngx.shared.asked.get(what);
    if (!found || Date.now() - at(found) < milliseconds / 2) {
        return false;
    }
    const words = found.split(' ');
    const times = Number(words[2] || 0) + 1;
    ngx.shared.asked.replace(what, `${words[0]} ${words[1]} ${times}`);
    return times === OFTEN;
}

// Others make marks meanwhile, or remove them too.
function unless_gone(act) {
    try {
        act();
    } catch (e) {
        if (e.code !== 'ENOENT') {
            throw e;
        }
    }
}

// Something was deleted here: it counts at once.
function forget(r) {
    if (!ngx.shared || !ngx.shared.asked) {
        return;
    }
    ngx.shared.asked.clear();
    ngx.shared.asked.set('deleted', String(Date.now()));
    try {
        // All of them are out of nginx's sight before one is removed, which takes longer.
        const away = (moment) => `${MARKS}/${moment}-${r.variables.request_id}`;
        const moments = fs.existsSync(MARKS) ? fs.readdirSync(MARKS) : [];
        moments.forEach((moment) => unless_gone(() => fs.renameSync(`${MARKS}/${moment}`, away(moment))));
        moments.forEach((moment) => unless_gone(() => fs.rmdirSync(away(moment), {recursive: true})));
    } catch (e) {
        r.error(`what was deleted may be handed out for some seconds more: ${e.message}`);
    }
}

export default {forget, forget_one, is_worn, mark, recalled, remember};
