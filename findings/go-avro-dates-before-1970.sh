#!/usr/bin/env bash
# linkedin/goavro 2.15.0 and hamba/avro 2.31.0 (Go): a date before 1970 of a time.Time that is not midnight in UTC is written
# as the next day: noon of 31 December 1969 is 1 January 1970, and noon of 1 January 1960 is the 2nd. Days are counted by
# a division that goes towards zero, while both write timestamps rightly. A noon after 1970 keeps its day.
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
	"time"

	"github.com/hamba/avro/v2"
	"github.com/linkedin/goavro/v2"
)

const schema = `{"type": "int", "logicalType": "date"}`

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	codec, parsed := must(goavro.NewCodec(schema)), avro.MustParse(schema)
	for _, day := range []string{"2024-02-29", "1969-12-31", "1960-01-01"} {
		noon := must(time.Parse("2006-01-02 15:04", day+" 12:00"))
		one, _, err := codec.NativeFromBinary(must(codec.BinaryFromNative(nil, noon)))
		var other time.Time
		if err == nil {
			err = avro.Unmarshal(parsed, must(avro.Marshal(parsed, noon)), &other)
		}
		if err != nil {
			panic(err)
		}
		fmt.Printf("noon of %s: goavro %s, hamba/avro %s\n", day, one.(time.Time).Format("2006-01-02"), other.Format("2006-01-02"))
	}
}
GO
(cd write && export GOFLAGS=-mod=mod && go get github.com/linkedin/goavro/v2@v2.15.0 github.com/hamba/avro/v2@v2.31.0 && go build -o ../writer .) >log 2>&1 || { cat log >&2; exit 1; }
./writer 2>>log | tee seen || { cat log >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
noon of 2024-02-29: goavro 2024-02-29, hamba/avro 2024-02-29
noon of 1969-12-31: goavro 1970-01-01, hamba/avro 1970-01-01
noon of 1960-01-01: goavro 1960-01-02, hamba/avro 1960-01-02
SEEN
