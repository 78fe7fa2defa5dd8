// Package onnx runs the networks of a diffusion model with ONNX Runtime.
//
// It is the only package that loads native code, and is meant to live in a process of its own: a
// crash inside the library takes the process with it. Open gives a Model, whose Pipeline draws.
//
//	fetch.go        puts the pinned library into a folder;  locate.go finds one
//	environment.go  loads the library once per process
//	provider.go     CPU, CUDA and WebGPU, tried in order
//	graph.go        reads what a model file declares, without loading it
//	session.go      a graph as a diffusion.Session
//	model.go        Open
package onnx
