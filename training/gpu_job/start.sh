#!/usr/bin/env bash
# start.sh PARTS WORK RESULTS MINUTES [DEVICE]: joins the code and starts the job in the background.
# Look at RESULTS/status.json; bring further shards into PARTS at any time; `touch WORK/STOP` ends it early.
set -euo pipefail
parts=$1 work=$2 results=$3 minutes=$4 device=${5:-cuda}
mkdir -p "$work" "$results"
cat "$parts"/code.zip.[0-9][0-9][0-9] > "$work/code.zip"
python3 - "$parts/code.zip.json" "$work/code.zip" <<'PY'
import hashlib, json, sys
expected = json.load(open(sys.argv[1]))["sha256"]
if hashlib.sha256(open(sys.argv[2], "rb").read()).hexdigest() != expected:
    sys.exit("code.zip is damaged: bring its parts again")
PY
python3 -m zipfile -e "$work/code.zip" "$work/code"
PYTHONPATH="$work/code" PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True nohup python3 -m training.gpu_job.job \
    --parts "$parts" --work "$work" --results "$results" --minutes "$minutes" --device "$device" \
    > "$results/job.log" 2>&1 &
echo $! > "$work/pid"
echo "started as process $(cat "$work/pid"); its log is $results/job.log"
