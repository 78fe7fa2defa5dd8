package blob

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

const (
	// MaxUpload is the most bytes an uploaded image may have.
	MaxUpload = 16 << 20
	// MaxUploads is how many uploads may be under way at once; each may hold MaxUpload bytes of memory.
	MaxUploads = 32
	// UploadTimeout is how long an upload may take.
	UploadTimeout = 60 * time.Second
	// UploadWait is how long an upload beyond MaxUploads waits for its turn before it is refused.
	UploadWait = 5 * time.Second
)

// HandlerOptions are the limits on uploads; zero values mean the constants of this package.
type HandlerOptions struct {
	Log       zerolog.Logger
	MaxUpload int64 // bytes
	MaxSide   int   // pixels
	MaxPixels int
	// Kept is read for what the store does not have; nil is none. Uploads never go there.
	Kept *Store
}

// Handler serves PathPrefix + key to the holders of signed links: GET and HEAD read, ranges included, and PUT stores a
// WebP, PNG or JPEG image after a look at its header. Refusals are JSON: {"message": "…"}. Pages of any origin may use
// it, since a link is all the permission there is. It is safe for concurrent use.
func Handler(store *Store, signer *Signer, opts HandlerOptions) http.Handler {
	if opts.MaxUpload <= 0 {
		opts.MaxUpload = MaxUpload
	}
	if opts.MaxSide <= 0 {
		opts.MaxSide = MaxSide
	}
	if opts.MaxPixels <= 0 {
		opts.MaxPixels = MaxPixels
	}
	return &handler{store: store, signer: signer, opts: opts, uploads: make(chan struct{}, MaxUploads)}
}

type handler struct {
	store   *Store
	signer  *Signer
	opts    HandlerOptions
	uploads chan struct{} // holds one token per upload under way
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Access-Control-Allow-Origin", "*")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	key, ok := strings.CutPrefix(r.URL.Path, PathPrefix)
	if !ok {
		key = strings.TrimPrefix(r.URL.Path, "/") // mounted behind http.StripPrefix
	}
	switch r.Method {
	case http.MethodOptions:
		head.Set("Access-Control-Allow-Methods", "GET, HEAD, PUT, OPTIONS")
		head.Set("Access-Control-Allow-Headers", "Content-Type, Range")
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet, http.MethodHead:
		h.get(w, r, key)
	case http.MethodPut:
		h.put(w, r, key)
	default:
		head.Set("Allow", "GET, HEAD, PUT, OPTIONS")
		refuse(w, http.StatusMethodNotAllowed, "The method is not allowed for the requested URL.")
	}
}

func (h *handler) allowed(w http.ResponseWriter, r *http.Request, op Op, key string) (left time.Duration, ok bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil {
		left, err = h.signer.Check(op, key, query)
	}
	if err != nil {
		refuse(w, http.StatusForbidden, "This link is not valid or has expired.")
		return 0, false
	}
	return left, true
}

func (h *handler) get(w http.ResponseWriter, r *http.Request, key string) {
	left, ok := h.allowed(w, r, OpGet, key)
	if !ok {
		return
	}
	img, err := h.store.Open(r.Context(), key)
	if errors.Is(err, ErrNotFound) && h.opts.Kept != nil {
		img, err = h.opts.Kept.Open(r.Context(), key)
	}
	if errors.Is(err, ErrNotFound) {
		refuse(w, http.StatusNotFound, "This image is not there any more.")
		return
	}
	if err != nil {
		h.fault(w, key, err)
		return
	}
	defer func() { _ = img.Close() }()
	var magic [sniffBytes]byte
	n, err := img.ReadAt(magic[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		h.fault(w, key, err)
		return
	}
	w.Header().Set("Content-Type", Sniff(magic[:n]).ContentType())
	w.Header().Set("Cache-Control", "private, max-age="+strconv.Itoa(int(left.Seconds())))
	http.ServeContent(w, r, "", img.Stored, img)
}

func (h *handler) put(w http.ResponseWriter, r *http.Request, key string) {
	if _, ok := h.allowed(w, r, OpPut, key); !ok {
		return
	}
	if r.ContentLength > h.opts.MaxUpload {
		refuse(w, http.StatusRequestEntityTooLarge, tooLong(h.opts.MaxUpload))
		return
	}
	if !h.turn(r) {
		w.Header().Set("Retry-After", "2")
		refuse(w, http.StatusServiceUnavailable, "Too many uploads at once. Please try again in a moment.")
		return
	}
	defer func() { <-h.uploads }()
	data, err := h.body(w, r)
	var tooMany *http.MaxBytesError
	switch {
	case errors.As(err, &tooMany):
		refuse(w, http.StatusRequestEntityTooLarge, tooLong(h.opts.MaxUpload))
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "The upload ended too early.")
		return
	}
	if _, _, _, err := CheckLimits(data, h.opts.MaxSide, h.opts.MaxPixels); err != nil {
		status := http.StatusUnsupportedMediaType
		if errors.Is(err, ErrTooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		refuse(w, status, sentence(err))
		return
	}
	if err := h.store.PutBytes(r.Context(), key, data); err != nil {
		if r.Context().Err() == nil {
			h.fault(w, key, err)
		}
		return
	}
	w.WriteHeader(http.StatusOK)
}

// turn waits for one of the MaxUploads places, for UploadWait at most, and reports whether it got one.
func (h *handler) turn(r *http.Request) bool {
	patience := time.NewTimer(UploadWait)
	defer patience.Stop()
	select {
	case h.uploads <- struct{}{}:
		return true
	case <-patience.C:
	case <-r.Context().Done():
	}
	return false
}

// body reads an upload whole: at most MaxUpload bytes, within UploadTimeout where the connection can be cut off.
func (h *handler) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	conn := http.NewResponseController(w)
	late := time.AfterFunc(UploadTimeout, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer late.Stop()
	return io.ReadAll(http.MaxBytesReader(w, r.Body, h.opts.MaxUpload))
}

// fault answers what is our own trouble: a neutral sentence outside, the whole of it in the log.
func (h *handler) fault(w http.ResponseWriter, key string, err error) {
	h.opts.Log.Error().Str("key", key).Err(err).Msg("the image folder broke")
	w.Header().Set("Retry-After", "10")
	refuse(w, http.StatusServiceUnavailable, "Images cannot be stored or read just now. Please try again in a moment.")
}

func refuse(w http.ResponseWriter, status int, message string) {
	body, _ := json.Marshal(map[string]string{"message": message}) // strings always marshal
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func tooLong(limit int64) string {
	return "The image has more than " + strconv.FormatInt(limit, 10) + " bytes."
}

func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
