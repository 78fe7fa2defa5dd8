package diffusion

import "math"

// Noise is a stream of normally distributed numbers that equals torch.manual_seed(seed) followed
// by torch.randn on a CPU, so that a seed gives the same start as in other programs. Only the low
// 32 bits of the seed count, as there. It is not safe for concurrent use.
type Noise struct {
	state [624]uint32
	next  int
	spare float64 // the second number of a pair drawn for a short fill
	has   bool
}

// NewNoise starts the stream of a seed.
func NewNoise(seed uint64) *Noise {
	n := &Noise{next: 624}
	n.state[0] = uint32(seed)
	for i := 1; i < len(n.state); i++ {
		prev := n.state[i-1]
		n.state[i] = 1812433253*(prev^prev>>30) + uint32(i)
	}
	return n
}

// Fill overwrites dst with the numbers torch.randn(len(dst)) would return next.
func (n *Noise) Fill(dst []float32) {
	if len(dst) < 16 {
		for i := range dst {
			dst[i] = float32(n.single())
		}
		return
	}
	for i := range dst {
		dst[i] = n.uniform24()
	}
	whole := len(dst) &^ 15
	for i := 0; i < whole; i += 16 {
		boxMuller((*[16]float32)(dst[i:]))
	}
	if whole != len(dst) { // the last sixteen are drawn again, overlapping the block before
		tail := (*[16]float32)(dst[len(dst)-16:])
		for i := range tail {
			tail[i] = n.uniform24()
		}
		boxMuller(tail)
	}
}

// boxMuller turns sixteen uniform numbers into normal ones.
func boxMuller(x *[16]float32) {
	for j := range 8 {
		u1, u2 := 1-x[j], x[j+8]
		radius := float32(math.Sqrt(float64(-2 * float32(math.Log(float64(u1))))))
		theta := float32(2*math.Pi) * u2
		sin, cos := math.Sincos(float64(theta))
		x[j] = radius * float32(cos)
		x[j+8] = radius * float32(sin)
	}
}

// single draws one number the way torch does for fewer than sixteen.
func (n *Noise) single() float64 {
	if n.has {
		n.has = false
		return n.spare
	}
	u1, u2 := n.uniform53(), n.uniform53()
	radius := math.Sqrt(-2 * math.Log1p(-u2))
	sin, cos := math.Sincos(2 * math.Pi * u1)
	n.spare, n.has = radius*sin, true
	return radius * cos
}

func (n *Noise) uniform24() float32 {
	return float32(n.uint32()&(1<<24-1)) * 0x1p-24
}

func (n *Noise) uniform53() float64 {
	high := uint64(n.uint32())
	low := uint64(n.uint32())
	return float64((high<<32|low)&(1<<53-1)) * 0x1p-53
}

// uint32 is the Mersenne twister MT19937.
func (n *Noise) uint32() uint32 {
	if n.next == len(n.state) {
		n.twist()
	}
	y := n.state[n.next]
	n.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (n *Noise) twist() {
	const shift = 397
	s := &n.state
	for i := range s {
		y := s[i]&0x80000000 | s[(i+1)%len(s)]&0x7fffffff
		s[i] = s[(i+shift)%len(s)] ^ y>>1 ^ (y&1)*0x9908b0df
	}
	n.next = 0
}
