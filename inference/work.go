// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"stablemate/horde"
	"stablemate/horde/engine"
)

// Bounds of one job beside the time the horde gives it.
const (
	checkTries   = 2 // a safety process that dies is replaced once
	checkLimit   = 45 * time.Second
	storeTries   = 3
	submitTries  = 10
	deliverPause = 100 * time.Millisecond // doubled each try
	deliverMost  = 5 * time.Second
	storeLimit   = 30 * time.Second
	submitLimit  = time.Minute
)

// work draws, checks and delivers the images of a job. What cannot be made is reported as a fault; what is aborted
// because ctx ended is left to Run, which returns it to the queue without blame.
func (p *Pool) work(ctx context.Context, s *Supervisor, job horde.Job) {
	p.working.Add(1)
	defer p.working.Add(-1)
	drawing, cancel := context.WithTimeout(ctx, job.TTL)
	defer cancel()
	settled := make([]bool, len(job.Generations)) // delivered, or not ours any more
	err := p.draw(drawing, s, job, settled)
	if err == nil {
		p.failures.Store(0)
	} else if ctx.Err() == nil {
		p.failures.Add(1)
		p.deps.Log.Warn().Err(err).Stringer("request", job.Request).Str("model", job.Model).Msg("images could not be made")
	}
	if ctx.Err() != nil {
		return
	}
	for i, id := range job.Generations {
		if !settled[i] {
			p.faulted.Add(1)
			_ = p.submit(ctx, horde.Submit{Owner: p.opts.Owner, Generation: id, Faulted: true}) // logged there
		}
	}
}

func (p *Pool) draw(ctx context.Context, s *Supervisor, job horde.Job, settled []bool) error {
	model, ok := p.models[job.Model]
	if !ok || len(job.Seeds) != len(job.Generations) {
		return fmt.Errorf("a job for model %q with %d seeds for %d images", job.Model, len(job.Seeds), len(job.Generations))
	}
	if err := p.load(ctx, s, model); err != nil {
		return err
	}
	defer func() {
		for _, id := range job.Generations {
			p.deps.Engine.Drawing(job.Request, id, 0, 0)
		}
	}()
	return s.Generate(ctx, model, paramsOf(&job.Image), job.Seeds, func(i int, pic Picture) error {
		p.deps.Engine.Drawing(job.Request, job.Generations[i], 0, 0)
		if err := p.deliver(ctx, job, i, pic); err != nil {
			return err
		}
		settled[i] = true
		return nil
	}, func(i, step, total int) { p.deps.Engine.Drawing(job.Request, job.Generations[i], step, total) })
}

// paramsOf takes over what a request asks for; its seeds come with each image.
func paramsOf(i *horde.Image) Params {
	return Params{
		Prompt: i.Prompt, Width: i.Width, Height: i.Height, Steps: i.Steps, CFG: i.CFG, Sampler: i.Sampler,
		Karras: i.Karras, ClipSkip: i.ClipSkip, Tiling: i.Tiling,
	}
}

// deliver checks an image, stores it durably and submits it. Once drawn, an image is delivered even when ctx ends.
func (p *Pool) deliver(ctx context.Context, job horde.Job, i int, pic Picture) error {
	ctx = context.WithoutCancel(ctx)
	id := job.Generations[i]
	op := horde.Submit{Owner: p.opts.Owner, Generation: id, Seed: pic.Seed, HasSeed: true, Blob: id.String() + ".webp"}
	if len(job.Generations) > 1 {
		op.Meta = append(op.Meta, horde.Meta{Type: "batch_index", Value: "see_ref", Ref: strconv.Itoa(i)})
	}
	data, held := pic.WebP, p.unsafe(ctx, job, pic)
	if held {
		data = heldBack
		op.Meta = append(op.Meta, horde.Meta{Type: "censorship", Value: "nsfw"})
	}
	if err := p.store(ctx, op.Blob, data); err != nil {
		return err
	}
	if err := p.submit(ctx, op); err != nil {
		return err
	}
	if p.deps.Delivered != nil {
		p.deps.Delivered(ctx, id)
	}
	p.delivered.Add(1)
	if held {
		p.held.Add(1)
	}
	p.deps.Log.Info().Stringer("generation", id).Str("model", job.Model).Int("width", job.Image.Width).Int("height", job.Image.Height).
		Int("steps", job.Image.Steps).Bool("held_back", held).Dur("took", pic.Timing.Total).Int("bytes", len(data)).Msg("image made")
	return nil
}

// unsafe asks the safety process. When it gives no answer, the picture counts as unsafe.
func (p *Pool) unsafe(ctx context.Context, job horde.Job, pic Picture) bool {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	var failed error
	for range checkTries {
		scores, err := p.safety.Check(ctx, p.opts.Safety, pic.WebP)
		if err == nil {
			return scores.Unsafe() && (job.CensorNSFW || !p.opts.NSFW)
		}
		failed = err
	}
	p.deps.Log.Error().Err(failed).Stringer("request", job.Request).Msg("the safety check failed; the image is held back")
	return true
}

func (p *Pool) store(ctx context.Context, key string, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	pause := deliverPause
	for try := 1; ; try++ {
		err := p.deps.Images.PutBytes(ctx, key, data)
		if err == nil {
			return nil
		}
		if try == storeTries || !sleep(ctx, pause) {
			return fmt.Errorf("store %s: %w", key, err)
		}
		pause = min(2*pause, deliverMost)
	}
}

// submit reports an image and tries again while the horde does not answer. That the horde does not want the image any
// more, since it took too long or its request is gone, is no error.
func (p *Pool) submit(ctx context.Context, op horde.Submit) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), submitLimit)
	defer cancel()
	pause := deliverPause
	for try := 1; ; try++ {
		_, err := engine.Do(ctx, p.deps.Engine, op)
		refusal, refused := errors.AsType[*horde.Error](err)
		switch {
		case err == nil:
			return nil
		case refused && (refusal.Code == horde.CodeInvalidJobID || refusal.Code == horde.CodeDuplicateGen || refusal.Code == horde.CodeAbortedGen):
			p.deps.Log.Warn().Err(err).Stringer("generation", op.Generation).Msg("the horde does not want the image any more")
			return nil
		case refused:
			return fmt.Errorf("submit %s: %w", op.Generation, err)
		}
		if try == submitTries || !sleep(ctx, pause) {
			p.deps.Log.Error().Err(err).Stringer("generation", op.Generation).Msg("an image could not be submitted")
			return fmt.Errorf("submit %s: %w", op.Generation, err)
		}
		pause = min(2*pause, deliverMost)
	}
}
