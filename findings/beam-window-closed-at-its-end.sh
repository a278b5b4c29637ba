#!/usr/bin/env bash
# Apache Beam 2.77.0 for Python, DirectRunner, fixed windows without allowed lateness: while the watermark is exactly the end
# of a window, which has been emitted then, a late element still enters it, and the window is emitted a second time, with
# that element alone. One second later the element is dropped. So a sink that holds one row per window has two, or loses
# the first one. Watermarks of whole minutes, as windows end, are usual.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check apache-beam==2.77.0
venv/bin/python - 2>log <<'PY' | tee seen || { cat log >&2; exit 1; }
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import FixedWindows, TimestampedValue

for watermark in (600, 601):
    emitted = Path(f"emitted-{watermark}")

    def write(found, window=beam.DoFn.WindowParam, emitted=emitted):
        with emitted.open("a") as lines:
            lines.write(f" [{int(window.start)}, {int(window.end)}): {', '.join(sorted(found[1]))};")

    events = TestStream().add_elements([TimestampedValue(("key", "in time"), 60)]).advance_watermark_to(watermark)
    events = events.add_elements([TimestampedValue(("key", "late"), 120)]).advance_watermark_to_infinity()
    options = PipelineOptions(["--runner=DirectRunner"])
    options.view_as(StandardOptions).streaming = True
    with beam.Pipeline(options=options) as pipeline:
        pipeline | events | beam.WindowInto(FixedWindows(600)) | beam.GroupByKey() | beam.Map(write)
    print(f"watermark {watermark}:{emitted.read_text()}")
PY
diff seen - <<'SEEN' && echo "as described"
watermark 600: [0, 600): in time; [0, 600): late;
watermark 601: [0, 600): in time;
SEEN
