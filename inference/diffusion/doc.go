// Package diffusion turns a prompt into a picture with a latent diffusion model whose neural
// networks run elsewhere.
//
// It holds everything of Stable Diffusion that is not a network: the CLIP tokenizer, the prompt
// syntax of the horde, the noise schedule, the samplers, noise that equals PyTorch's for the same
// seed, guidance, and the way from latents to pixels. The networks are Sessions: whoever runs them
// implements that interface, and the pipeline adapts to the element types and shapes they declare.
//
// Map of the files:
//
//	tensor.go     Port, Tensor, Session, Binding: what a network looks like from here
//	half.go       16-bit floats
//	config.go     the model folder's JSON files
//	tokenizer.go  text → token ids;  vocabulary.go reads its files
//	prompt.go     weights, brackets, the ### split;  window.go cuts tokens into windows
//	schedule.go   betas, sigmas, timesteps;  sampler.go walks along them
//	noise.go      MT19937 and torch.randn
//	pipeline.go   Generate, start to end;  workspace.go its buffers;  encode.go text and pictures into
//	              the model's space
//	picture.go    tensors ↔ pixels, fitting into the requested size
package diffusion
