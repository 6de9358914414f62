// Which answers get a row in the access log, for nginx's JavaScript module. Rows cost a stranger nothing, and the disk much.

// Of one address in a minute: ten times what the slowest guesser may try, and more than a client that is wrongly set up, or
// the page for some dozen people.
const MOST = 600;

// Whether this answer, which came from the proxy alone, is among the first of its address in this minute. Each password that
// was tried has its row: of these an address has few, by the bounds of attempts. An account's refusals count by
// themselves: nobody else can hide them.
function wanted(r) {
    const v = r.variables;
    if (v.account && v.refusal === 'unauthorized' && /^(?:MISS|EXPIRED)$/.test(v.password_cache)) {
        return '1';
    }
    const minute = Math.floor(Date.now() / 60000);
    const who = v.refusal ? '' : v.account;
    let count;
    try {
        count = ngx.shared.rows.incr(`${v.remote_addr} ${minute} ${who}`, 1, 0);
    } catch (full) {
        return '1';
    }
    if (count === MOST + 1) {
        r.warn(`more than ${MOST} refusals, or files of the page, in a minute to ${v.remote_addr}: the rest gets no row in the access log`);
    }
    return count > MOST ? '' : '1';
}

export default {wanted};
