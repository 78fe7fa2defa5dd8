// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
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
	return map[string][]endpoint{
		"/generate/async": {post((*Server).generate,
			perCall(90, minute).relaxedTo(300), perCall(2, second).relaxedTo(10), perKey(2, second).relaxedTo(60).anonymousTo(60))},
		"/generate/check/{id}":        {get((*Server).check, perCall(10, second))},
		"/generate/status/{id}":       {get((*Server).status, status), del((*Server).cancel, status)},
		"/generate/pop":               {post((*Server).pop, work)},
		"/generate/submit":            {post((*Server).submit, work)},
		"/find_user":                  {get((*Server).findUser, byDefault())},
		"/users":                      {get((*Server).listUsers, perAddress(90, minute))},
		"/users/{user_id}":            {get((*Server).showUser, perCall(60, minute)), put((*Server).changeUser, byDefault()), del((*Server).deleteUser, byDefault())},
		"/workers":                    {get((*Server).listWorkers, byDefault())},
		"/workers/{worker_id}":        {get((*Server).showWorker, worker), put((*Server).changeWorker, worker)},
		"/workers/name/{worker_name}": {get((*Server).showWorkerNamed, byDefault())},
		"/kudos/transfer":             {post((*Server).transfer, perKey(1, second), perKey(90, hour).relaxedTo(600))},
		"/kudos/award":                {post((*Server).award, byDefault())},
		"/sharedkeys":                 {put((*Server).createSharedKey, perCall(5, minute))},
		"/sharedkeys/{sharedkey_id}": {
			get((*Server).showSharedKey, byDefault()), patch((*Server).changeSharedKey, byDefault()), del((*Server).deleteSharedKey, byDefault()),
		},
		"/status/heartbeat":           {get((*Server).heartbeat)},
		"/status/performance":         {get((*Server).performance, byDefault())},
		"/status/models":              {get((*Server).models, byDefault())},
		"/status/models/{model_name}": {get((*Server).modelNamed, byDefault())},
		"/status/modes":               {get((*Server).modes, modes)},
		"/status/news":                {get((*Server).news, byDefault())},
	}
}

// routes turns the table into a mux that also answers OPTIONS, wrong methods and unknown paths.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	next := 0 // numbers endpoints and their limits, for counting
	for _, path := range sortedPaths(table()) {
		endpoints := table()[path]
		allow := []string{http.MethodOptions}
		for _, e := range endpoints {
			allow = append(allow, e.method)
			if e.method == http.MethodGet {
				allow = append(allow, http.MethodHead)
			}
			limits := make([]counted, len(e.limits))
			for i, l := range e.limits {
				limits[i] = counted{limit: l, number: next}
				next++
			}
			mux.Handle(e.method+" "+Prefix+path, &entry{s: s, handle: e.handle, limits: limits})
		}
		slices.Sort(allow)
		allowed := []string{strings.Join(allow, ", ")}
		mux.HandleFunc(Prefix+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Allow"] = allowed
			if r.Method == http.MethodOptions {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				w.WriteHeader(http.StatusOK)
				return
			}
			writeError(w, http.StatusMethodNotAllowed, errorBody{Message: "The method is not allowed for the requested URL."})
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, errorBody{Message: "The requested URL was not found on this horde."})
	})
	return mux
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
}

// ServeHTTP counts the call, runs its handler and writes the refusal it returns.
func (e *entry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.s.limits != nil && !e.s.limits.allow(e.s, w, r, e.limits) {
		return
	}
	c := call{w: w, r: r}
	if err := c.readMask(); err != nil {
		e.s.writeErr(&c, err)
		return
	}
	if err := e.handle(e.s, &c); err != nil {
		e.s.writeErr(&c, err)
	}
}
