// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

// Performance answers GET status/performance. It keeps every field.
type Performance struct {
	QueuedRequests           int   `json:"queued_requests"`
	QueuedTextRequests       int   `json:"queued_text_requests"`
	WorkerCount              int   `json:"worker_count"`
	TextWorkerCount          int   `json:"text_worker_count"`
	ThreadCount              int   `json:"thread_count"`
	TextThreadCount          int   `json:"text_thread_count"`
	QueuedMegapixelsteps     Float `json:"queued_megapixelsteps"`
	PastMinuteMegapixelsteps Float `json:"past_minute_megapixelsteps"`
	QueuedForms              Float `json:"queued_forms"`
	InterrogatorCount        int   `json:"interrogator_count"`
	InterrogatorThreadCount  int   `json:"interrogator_thread_count"`
	QueuedTokens             Float `json:"queued_tokens"`
	PastMinuteTokens         Float `json:"past_minute_tokens"`
}

// Model is one entry of GET status/models.
type Model struct {
	Performance Float  `json:"performance"` // pixelsteps per second
	Queued      Float  `json:"queued"`      // pixelsteps
	Jobs        Float  `json:"jobs"`
	ETA         int    `json:"eta"` // seconds
	Type        string `json:"type"`
	Name        string `json:"name"`
	Count       int    `json:"count"` // threads
}

// Modes answers GET status/modes; only moderators see RaidMode.
type Modes struct {
	MaintenanceMode bool  `json:"maintenance_mode"`
	InviteOnlyMode  bool  `json:"invite_only_mode"`
	RaidMode        *bool `json:"raid_mode,omitempty"`
}

// Heartbeat answers GET status/heartbeat.
type Heartbeat struct {
	Message      string `json:"message"` // OK or DOWN
	Version      string `json:"version"`
	Queue        int    `json:"queue"`
	Threads      int    `json:"threads"`
	ActiveCount  int    `json:"active_count"`
	DBConnection bool   `json:"db_connection"`
}

// News is one piece of GET status/news.
type News struct {
	DatePublished string   `json:"date_published"` // YYYY-MM-DD
	Newspiece     string   `json:"newspiece"`      // Markdown
	Importance    string   `json:"importance"`
	Tags          []string `json:"tags"`
	Title         string   `json:"title"`
	MoreInfoURLs  []string `json:"more_info_urls"`
}
