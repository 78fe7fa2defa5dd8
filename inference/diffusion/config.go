package diffusion

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
)

// Limits of what a model folder may declare and a caller may ask for.
const (
	MaxSide  = 4096 // pixels of a picture's longer side
	MaxSteps = 500

	maxChannels  = 256 // latent channels
	maxDownscale = 64  // pixels per latent
)

// Info describes a model to people and to whoever decides what it can be asked.
type Info struct {
	Name        string
	Description string
	Licence     string
	Baseline    string // as the horde names families: "stable diffusion 1"
	NSFW        bool
	// FixedSize is the side in pixels of the only square the model can draw, or 0 when the size is
	// free. Other sizes are filled up with the picture's border colour.
	FixedSize int
	// NativeSize is the side in pixels the model draws best.
	NativeSize   int
	DefaultSteps int
	DefaultCFG   float64
	// MaxTokens is the length of one window of the prompt, start and end included.
	MaxTokens int
	// Img2Img says whether the model can start from a source picture.
	Img2Img bool
}

// Config is what the JSON files of a model folder say.
type Config struct {
	Info      Info
	Scheduler SchedulerConfig

	LatentChannels int
	Downscale      int     // pixels per latent
	Scaling        float64 // latents are multiplied by it before the U-Net sees them
	Shift          float64 // and this is subtracted first
	Align          int     // latent sides must be a multiple of it
	TextWidth      int     // length of the vector the text encoder gives per token, 0 = not said
	Tokenizer      *Tokenizer
}

// stablemateFile is stablemate.json, which is ours: what no other file of the layout can say.
type stablemateFile struct {
	Name         string  `json:"name"`
	Description  string  `json:"description"`
	Licence      string  `json:"licence"`
	Baseline     string  `json:"baseline"`
	NSFW         bool    `json:"nsfw"`
	FixedSize    int     `json:"fixed_size"`
	DefaultSteps int     `json:"default_steps"`
	DefaultCFG   float64 `json:"default_cfg"`
}

// sides is a size that may be one number or [height, width].
type sides []int

// UnmarshalJSON reads both forms, and null as no size.
func (s *sides) UnmarshalJSON(data []byte) error {
	var one *int
	if err := json.Unmarshal(data, &one); err == nil {
		*s = nil
		if one != nil {
			*s = sides{*one, *one}
		}
		return nil
	}
	return json.Unmarshal(data, (*[]int)(s))
}

type unetFile struct {
	InChannels int   `json:"in_channels"`
	SampleSize sides `json:"sample_size"`
	TextWidth  sides `json:"cross_attention_dim"`
	Blocks     []int `json:"block_out_channels"`
}

type vaeFile struct {
	LatentChannels int      `json:"latent_channels"`
	Blocks         []int    `json:"block_out_channels"`
	Scaling        *float64 `json:"scaling_factor"`
	Shift          *float64 `json:"shift_factor"`
}

// LoadConfig reads the text files of a model folder in the Optimum layout. Files that older exports
// lack are replaced by what Stable Diffusion 1 uses; files that are there must be sound.
func LoadConfig(dir string) (Config, error) {
	var index struct {
		Class string `json:"_class_name"`
	}
	var unet unetFile
	var vae vaeFile
	var text struct {
		MaxPositions int `json:"max_position_embeddings"`
		HiddenSize   int `json:"hidden_size"`
	}
	var own stablemateFile
	c := Config{}
	var failed error
	read := func(into any, path ...string) bool {
		found, err := decodeFile(filepath.Join(dir, filepath.Join(path...)), into)
		if err != nil && failed == nil {
			failed = err
		}
		return found
	}
	read(&index, "model_index.json")
	haveUNet := read(&unet, "unet", "config.json")
	if !read(&vae, "vae_decoder", "config.json") {
		read(&vae, "vae", "config.json")
	}
	read(&text, "text_encoder", "config.json")
	read(&c.Scheduler, "scheduler", "scheduler_config.json")
	read(&own, "stablemate.json")
	if failed != nil {
		return Config{}, fmt.Errorf("model %s: %w", filepath.Base(dir), failed)
	}

	c.Info = Info{
		Name: own.Name, Description: own.Description, Licence: own.Licence, Baseline: own.Baseline, NSFW: own.NSFW,
		FixedSize: own.FixedSize, DefaultSteps: own.DefaultSteps, DefaultCFG: own.DefaultCFG,
	}
	if c.Info.Name == "" {
		c.Info.Name = filepath.Base(filepath.Clean(dir))
	}
	if c.Info.Baseline == "" {
		c.Info.Baseline = "stable diffusion 1"
	}
	if c.Info.DefaultSteps == 0 {
		c.Info.DefaultSteps = 30
	}
	if c.Info.DefaultCFG == 0 {
		c.Info.DefaultCFG = 7.5
	}
	c.LatentChannels = vae.LatentChannels
	if c.LatentChannels == 0 {
		c.LatentChannels = 4
	}
	c.Downscale = 8
	if n := len(vae.Blocks); n > 0 {
		c.Downscale = 1 << (min(n, 30) - 1)
	}
	c.Scaling = 0.18215
	if vae.Scaling != nil {
		c.Scaling = *vae.Scaling
	}
	if vae.Shift != nil {
		c.Shift = *vae.Shift
	}
	c.Align = 1
	if n := len(unet.Blocks); n > 0 {
		c.Align = 1 << (min(n, 30) - 1)
	} else if !haveUNet {
		c.Align = 8
	}
	c.TextWidth = text.HiddenSize
	if c.TextWidth == 0 && len(unet.TextWidth) > 0 {
		c.TextWidth = unet.TextWidth[0]
	}
	switch {
	case own.FixedSize > 0:
		c.Info.NativeSize = own.FixedSize
	case len(unet.SampleSize) > 0:
		c.Info.NativeSize = unet.SampleSize[0] * c.Downscale
	default:
		c.Info.NativeSize = 64 * c.Downscale
	}
	if err := c.check(index.Class, unet); err != nil {
		return Config{}, fmt.Errorf("model %s: %w", c.Info.Name, err)
	}
	length := text.MaxPositions
	if length == 0 {
		length = 77
	}
	var err error
	if c.Tokenizer, err = LoadTokenizer(filepath.Join(dir, "tokenizer"), length); err != nil {
		return Config{}, fmt.Errorf("model %s: %w", c.Info.Name, err)
	}
	c.Info.MaxTokens = c.Tokenizer.Length()
	return c, nil
}

// check refuses what the pipeline could not draw.
func (c Config) check(class string, unet unetFile) error {
	switch {
	case strings.Contains(class, "XL") || strings.Contains(class, "Diffusion3") || strings.Contains(class, "Flux"):
		return fmt.Errorf("%s is of a family this pipeline does not draw with; it wants one text encoder and a U-Net", class)
	case c.LatentChannels < 1 || c.LatentChannels > maxChannels:
		return fmt.Errorf("latent_channels is %d, want 1 to %d", c.LatentChannels, maxChannels)
	case unet.InChannels != 0 && unet.InChannels != c.LatentChannels:
		return fmt.Errorf("the U-Net takes %d channels where the latents have %d; inpainting models are not supported", unet.InChannels, c.LatentChannels)
	case c.Downscale > maxDownscale:
		return fmt.Errorf("the picture is %d times the latents, want at most %d", c.Downscale, maxDownscale)
	case c.Scaling == 0 || math.IsNaN(c.Scaling) || math.IsInf(c.Scaling, 0):
		return errors.New("scaling_factor of the VAE is zero")
	case c.Info.FixedSize < 0 || c.Info.FixedSize > MaxSide || c.Info.FixedSize%c.Downscale != 0:
		return fmt.Errorf("fixed_size is %d, want a multiple of %d up to %d", c.Info.FixedSize, c.Downscale, MaxSide)
	case c.Info.NativeSize < c.Downscale || c.Info.NativeSize > MaxSide:
		return fmt.Errorf("the native size is %d pixels, want %d to %d", c.Info.NativeSize, c.Downscale, MaxSide)
	case c.Align*c.Downscale > MaxSide:
		return fmt.Errorf("the U-Net halves its input until one step is %d pixels, want at most %d", c.Align*c.Downscale, MaxSide)
	case c.Info.DefaultSteps < 1 || c.Info.DefaultSteps > MaxSteps:
		return fmt.Errorf("default_steps is %d, want 1 to %d", c.Info.DefaultSteps, MaxSteps)
	}
	return nil
}
