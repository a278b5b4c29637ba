#!/usr/bin/env bash
# linkedin/goavro 2.15.0 (Go), a decimal of precision 9 and scale 2 in a fixed of 4 bytes: a number that does not fit is
# written without an error, 21474836.48 and all above it as 0.00, -50000000.00 as 7050327.04. Nor is the precision looked at
# where there is room (8 bytes). The amount is lost before anybody reads it.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
mkdir write
cat >write/go.mod <<'MOD'
module write

go 1.24
MOD
cat >write/main.go <<'GO'
package main

import (
	"fmt"
	"math/big"

	"github.com/linkedin/goavro/v2"
)

func main() {
	for _, size := range []int{4, 8} {
		schema := `{"type": "fixed", "name": "amount", "size": %d, "logicalType": "decimal", "precision": 9, "scale": 2}`
		codec, err := goavro.NewCodec(fmt.Sprintf(schema, size))
		if err != nil {
			panic(err)
		}
		for _, amount := range []string{"9999999.99", "21474836.48", "1234567890.12", "-50000000.00"} {
			number, _ := new(big.Rat).SetString(amount)
			written, err := codec.BinaryFromNative(nil, number)
			if err != nil {
				panic(err)
			}
			read, _, err := codec.NativeFromBinary(written)
			if err != nil {
				panic(err)
			}
			fmt.Printf("%s in %d bytes: %x, which is %s\n", amount, size, written, read.(*big.Rat).FloatString(2))
		}
	}
}
GO
(cd write && export GOFLAGS=-mod=mod && go get github.com/linkedin/goavro/v2@v2.15.0 && go build -o ../writer .) >log 2>&1 || { cat log >&2; exit 1; }
./writer 2>>log | tee seen || { cat log >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
9999999.99 in 4 bytes: 3b9ac9ff, which is 9999999.99
21474836.48 in 4 bytes: 00000000, which is 0.00
1234567890.12 in 4 bytes: 00000000, which is 0.00
-50000000.00 in 4 bytes: 2a05f200, which is 7050327.04
9999999.99 in 8 bytes: 000000003b9ac9ff, which is 9999999.99
21474836.48 in 8 bytes: 0000000080000000, which is 21474836.48
1234567890.12 in 8 bytes: 0000001cbe991a14, which is 1234567890.12
-50000000.00 in 8 bytes: fffffffed5fa0e00, which is -50000000.00
SEEN
