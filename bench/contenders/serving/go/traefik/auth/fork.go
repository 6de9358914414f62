package auth

import (
	"net/http"
	"strings"
)

// CheckSecret says whether a password is the one whose hash is secret, as CheckAuth does. Traefik's fork has it too.
func CheckSecret(password, secret string) bool {
	compare := compareFuncs[0].compare
	for _, kind := range compareFuncs[1:] {
		if strings.HasPrefix(secret, kind.prefix) {
			compare = kind.compare
		}
	}
	return compare([]byte(secret), []byte(password)) == nil
}

// RequireAuthStale asks anew for the account, without the fork's hint that only the nonce was too old. No account here
// has digest authentication.
func (a *DigestAuth) RequireAuthStale(w http.ResponseWriter, r *http.Request) { a.RequireAuth(w, r) }
