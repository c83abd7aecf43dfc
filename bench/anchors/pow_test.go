// Attempts at a proof of work as geth's Envelope.Seal makes them: all of the envelope is hashed for each nonce.
// How to run it stands in ../README.md.
package anchors

import (
	"encoding/binary"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

var zeros int

func attempts(b *testing.B, envelope int) {
	buf := make([]byte, envelope+8)
	hash := new(big.Int)
	for i := 0; i < b.N; i++ {
		binary.BigEndian.PutUint64(buf[envelope:], uint64(i))
		zeros += 256 - hash.SetBytes(crypto.Keccak256(buf)).BitLen()
	}
}

func BenchmarkAttempt400B(b *testing.B)  { attempts(b, 420) }
func BenchmarkAttempt64KiB(b *testing.B) { attempts(b, 64*1024+22) }
