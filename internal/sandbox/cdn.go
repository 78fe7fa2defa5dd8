package sandbox

import (
	"net/http"
	"slices"
	"strconv"
)

// serveFile is the content delivery network: it serves attachments.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	var found *file
	for _, list := range s.w.Messages {
		for _, m := range list {
			if i := slices.IndexFunc(m.Files, func(f *file) bool { return f.ID == r.PathValue("id") }); i >= 0 {
				found = m.Files[i]
			}
		}
	}
	if found == nil {
		found = s.uploads[r.PathValue("id")]
	}
	s.mu.Unlock()
	if found == nil || found.Channel != r.PathValue("channel") {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", found.ContentType)
	h.Set("Content-Length", strconv.Itoa(len(found.data)))
	h.Set("Cache-Control", "private, max-age=86400")
	h.Set("X-Content-Type-Options", "nosniff")
	// What people upload must not act as a page of this origin.
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	_, _ = w.Write(found.data) // the reader is gone, nobody to tell
}
