// Package ext stands in for a folder of Traefik that its module does not have. There, too, it is a place for what
// others add to Traefik's settings, with nothing in it.
package ext

// HTTP adds nothing to the settings of HTTP.
type HTTP struct{}

// DeepCopyInto copies nothing.
func (in *HTTP) DeepCopyInto(out *HTTP) { *out = *in }

// Router adds nothing to the settings of a router.
type Router struct{}

// DeepCopyInto copies nothing.
func (in *Router) DeepCopyInto(out *Router) { *out = *in }
