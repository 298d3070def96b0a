#!/usr/bin/env bash
# Trains such a model anew, in one command (docs/TRAINING.md tells what the weights in this folder had):
#
#     bash models/small/train.sh ASSETS OUT
#
# ASSETS is a folder of rigs with a manifest.csv, or a cache of `mocap data build`. The result is OUT/small. Times are in
# MINUTES (of stages 1 and 2, which learn side by side), IMAGINE_MINUTES (of what imagines poses, beside them),
# JOINT_MINUTES (of both together) and REFINE_MINUTES (of stage 3);
# WORKERS draw. SETTINGS are more options for every `mocap train`. What was stopped goes on where it was when the same
# command is given again.
set -euo pipefail
ulimit -n "$(ulimit -Hn)"  # batches come through shared memory, a file for each of their arrays
assets=$1 out=$2 cache=$1
# nproc would count OMP_NUM_THREADS
mocap=${MOCAP:-mocap} minutes=${MINUTES:-8.2} cores=$(getconf _NPROCESSORS_ONLN)
workers=${WORKERS:-$((cores > 5 ? cores - 5 : 0))} aside=$((cores > 5 ? 2 : 0))
mkdir -p "$out"
if [ ! -f "$assets/index.json" ]; then
  cache=$out/cache
  $mocap data build "$assets" -o "$cache" --zoo 144 --workers "$cores"
fi

train() { # NAME OPTIONS …: one run, unless it is finished already
  local run=$out/$1
  if [ ! -f "$run/finished" ]; then
    # shellcheck disable=SC2086
    $mocap train --preset small --cache "$cache" -o "$run" "${@:2}" ${SETTINGS:-}
    touch "$run/finished"
  fi
}

# Stage 2 and its plain form, the baseline of the benchmark, learn beside stage 1: they need little of the GPU.
turning=(--set stage=rotation --set data.shows=1 --minutes "$minutes")
train rotation "${turning[@]}" --set "workers=$aside" > "$out/rotation.txt" 2>&1 &
train direct "${turning[@]}" --set "workers=$((aside / 2))" --set network.rotation.rotation_head=direct > "$out/direct.txt" 2>&1 &
# So does what imagines poses of rigs that are learnt.
train imagine --set stage=imagine --set data.shows=1 --set imagine.rigs=48 --set lr=2e-3 --set ema=0.998 --minutes "${IMAGINE_MINUTES:-$minutes}" > "$out/imagine.txt" 2>&1 &
train pose --set "workers=$workers" --minutes "$minutes"
wait

# Then both together: stage 2 meets what stage 1 sees, and its error goes back.
train both --set stage=joint --set lr=3e-4 --set warmup=20 --set data.rigs=16 --set data.still=0.4 --set "workers=$workers" \
  --init "$out/pose/last" --init "$out/rotation/last" --minutes "${JOINT_MINUTES:-1.3}"

# Stage 3 learns from starts that are made up and from those that the other two leave; all of it is one model then.
train refine --set stage=refine --set "refine.seer=$out/both/last" --init "$out/both/last" --init "$out/imagine/last" --set refine.flow_first=300 \
  --set refine.ramp=1500 --set data.rigs=8 --set data.clips=1 --set data.frames=6 --set data.shows=1 --set lr=1e-3 \
  --set warmup=100 --set ema=0.998 --set "workers=$workers" --minutes "${REFINE_MINUTES:-60}"
rm -rf "$out/small"
cp -r "$out/refine/last" "$out/small"
