// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// endpoint is what one method of one path does.
type endpoint struct {
	method string
	limits []limit
	handle func(*Server, *call) error
}

// Prefix is where the door's paths begin.
const Prefix = "/api/v2"

// table is every path and what it leads to. A path segment never holds a slash, unless it is escaped.
func table() map[string][]endpoint {
	get := func(f func(*Server, *call) error, limits ...limit) endpoint {
		return endpoint{http.MethodGet, limits, f}
	}
	post := func(f func(*Server, *call) error, limits ...limit) endpoint {
		return endpoint{http.MethodPost, limits, f}
	}
	put := func(f func(*Server, *call) error, limits ...limit) endpoint {
		return endpoint{http.MethodPut, limits, f}
	}
	patch := func(f func(*Server, *call) error, limits ...limit) endpoint {
		return endpoint{http.MethodPatch, limits, f}
	}
	del := func(f func(*Server, *call) error, limits ...limit) endpoint {
		return endpoint{http.MethodDelete, limits, f}
	}
	work := perAddress(60, second)
	modes := perAddress(30, minute)
	worker := perCall(30, minute)
	status := perCall(10, minute)
	textStatus := perCall(60, minute)
	ask := []limit{perCall(90, minute).relaxedTo(300), perCall(2, second).relaxedTo(10), perKey(2, second).relaxedTo(60).anonymousTo(60)}
	paths := map[string][]endpoint{
		"/generate/async":                {post((*Server).generate, ask...)},
		"/generate/check/{id}":           {get((*Server).check, perCall(10, second))},
		"/generate/status/{id}":          {get((*Server).status, status), del((*Server).cancel, status)},
		"/generate/pop":                  {post((*Server).pop, work)},
		"/generate/submit":               {post((*Server).submit, work)},
		"/generate/text/async":           {post((*Server).generateText, ask...)},
		"/generate/text/status/{id}":     {get((*Server).textStatus, textStatus), del((*Server).cancelText, textStatus)},
		"/generate/text/pop":             {post((*Server).popText, work)},
		"/generate/text/submit":          {post((*Server).submitText, work)},
		"/interrogate/async":             {post((*Server).interrogate, byDefault())},
		"/interrogate/status/{id}":       {get((*Server).alchemyStatus, perCall(10, second)), del((*Server).cancelAlchemy, perCall(10, second))},
		"/interrogate/pop":               {post((*Server).popForms, work)},
		"/interrogate/submit":            {post((*Server).submitForm, work)},
		"/find_user":                     {get((*Server).findUser, byDefault())},
		"/users":                         {get((*Server).listUsers, perAddress(90, minute))},
		"/users/{user_id}":               {get((*Server).showUser, perCall(60, minute)), put((*Server).changeUser, perCall(60, minute)), del((*Server).deleteUser, perCall(60, minute))},
		"/workers":                       {get((*Server).listWorkers, byDefault())},
		"/workers/{worker_id}":           {get((*Server).showWorker, worker), put((*Server).changeWorker, worker), del((*Server).deleteWorker, worker)},
		"/workers/name/{worker_name}":    {get((*Server).showWorkerNamed, byDefault())},
		"/workers/messages":              {get((*Server).listMessages, byDefault()), post((*Server).newMessage, byDefault())},
		"/workers/messages/{message_id}": {get((*Server).showMessage, byDefault()), del((*Server).deleteMessage, byDefault())},
		"/teams":                         {get((*Server).listTeams, worker), post((*Server).newTeam, worker)},
		"/teams/{team_id}":               {get((*Server).showTeam, worker), patch((*Server).changeTeam, worker), del((*Server).deleteTeam, worker)},
		"/kudos/transfer":                {post((*Server).transfer, perKey(1, second), perKey(90, hour).relaxedTo(600))},
		"/kudos/award":                   {post((*Server).award, byDefault())},
		"/sharedkeys":                    {put((*Server).createSharedKey, perCall(5, minute))},
		"/sharedkeys/{sharedkey_id}": {
			get((*Server).showSharedKey, byDefault()), patch((*Server).changeSharedKey, byDefault()), del((*Server).deleteSharedKey, byDefault()),
		},
		"/status/heartbeat":           {get((*Server).heartbeat)},
		"/status/performance":         {get((*Server).performance, byDefault())},
		"/status/models":              {get((*Server).models, byDefault())},
		"/status/models/{model_name}": {get((*Server).modelNamed, byDefault())},
		"/status/modes":               {get((*Server).modes, modes), put((*Server).changeModes, modes)},
		"/status/news":                {get((*Server).news, byDefault())},
	}
	maps.Copy(paths, styleRoutes())
	maps.Copy(paths, statsRoutes())
	maps.Copy(paths, guardRoutes())
	maps.Copy(paths, rateRoutes())
	return paths
}

// routes turns the table, and what the door serves beside it, into a mux that also answers OPTIONS, wrong methods and
// unknown paths.
func (s *Server) routes(more map[string][]endpoint) *http.ServeMux {
	mux := http.NewServeMux()
	all := make(map[string][]endpoint, len(more))
	maps.Copy(all, more)
	for path, endpoints := range table() {
		all[Prefix+path] = endpoints
	}
	// What no endpoint takes goes by its path alone to a mux of its own: here it would be in the way of endpoints whose
	// paths are more general, as messages is of {worker_id}.
	others := http.NewServeMux()
	mux.Handle("/", others)
	n := numbers{}
	// To the heartbeat and to what is no object of the contract X-Fields does not apply.
	bare := func(path string) bool { return more[path] != nil || path == Prefix+"/status/heartbeat" }
	for _, path := range sortedPaths(all) {
		allow := []string{http.MethodOptions}
		for _, e := range all[path] {
			allow = append(allow, e.method)
			if e.method == http.MethodGet {
				allow = append(allow, http.MethodHead)
			}
			limits := make([]counted, len(e.limits))
			for i, l := range e.limits {
				limits[i] = counted{limit: l, number: n.of(path, e.method, l)}
			}
			mux.Handle(e.method+" "+path, &entry{s: s, handle: e.handle, limits: limits, bare: bare(path)})
		}
		slices.Sort(allow)
		allowed := []string{strings.Join(allow, ", ")}
		rest := func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Allow"] = allowed
			if r.Method == http.MethodOptions {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				w.WriteHeader(http.StatusOK)
				return
			}
			writeError(w, http.StatusMethodNotAllowed, errorBody{Message: "The method is not allowed for the requested URL."})
		}
		others.HandleFunc(path, rest)
		// A more general path may have what this one has not: a worker can be changed, but messages is none.
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if !slices.Contains(allow, method) {
				mux.HandleFunc(method+" "+path, rest)
			}
		}
	}
	others.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { notFound(w) })
	return mux
}

func notFound(w http.ResponseWriter) {
	writeError(w, http.StatusNotFound, errorBody{Message: "The requested URL was not found on this horde."})
}

// numbers tells the windows of limits apart.
type numbers map[string]int

// of numbers a limit. What counts by address counts all methods of a path together, the rest each by itself.
func (n numbers) of(path, method string, l limit) int {
	name := path + " " + l.String()
	if l.by != countAddress {
		name += " " + method + " " + itoa(int(l.by))
	}
	if _, ok := n[name]; !ok {
		n[name] = len(n)
	}
	return n[name]
}

func sortedPaths(t map[string][]endpoint) []string {
	paths := make([]string, 0, len(t))
	for p := range t {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// entry is one endpoint in the mux.
type entry struct {
	s      *Server
	handle func(*Server, *call) error
	limits []counted
	bare   bool
}

// ServeHTTP counts the call, runs its handler and writes the refusal it returns.
func (e *entry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.s.limits != nil && !e.s.limits.allow(e.s, w, r, e.limits) {
		return
	}
	c := call{w: w, r: r}
	if !e.bare {
		if err := c.readMask(); err != nil {
			e.s.writeErr(&c, err)
			return
		}
	}
	if err := e.handle(e.s, &c); err != nil {
		e.s.writeErr(&c, err)
	}
}
