// Which answers get a row in the access log, for nginx's JavaScript module. Rows cost a stranger nothing, and the disk much.

// Of one address in a minute: ten times what the slowest guesser may try, and more than a client that is wrongly set up.
const MOST = 600;

// Whether this answer, which came from the proxy alone, is among the first of its address in this minute.
function wanted(r) {
    const address = r.variables.remote_addr;
    const minute = Math.floor(Date.now() / 60000);
    let count;
    try {
        count = ngx.shared.rows.incr(`${address} ${minute}`, 1, 0);
    } catch (full) {
        return '1';
    }
    if (count === MOST + 1) {
        r.warn(`more than ${MOST} refusals in a minute to ${address}: the rest gets no row in the access log`);
    }
    return count > MOST ? '' : '1';
}

export default {wanted};
