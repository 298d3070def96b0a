// What three.js sees in animation files. Jobs come as JSON lines on stdin, answers leave as JSON lines on stdout:
//   {"file": "a.glb", "clip": "walk", "times": [0, 0.5]}  ->  {"joints": [...], "positions": [time][joint][3]}
// Positions are in metres, Y up, for FBX and glTF; in file units for BVH. "times" count from the clip's first key
// for FBX (as takes do) and from zero for glTF and BVH. Every named node is listed, joints and others.
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import './browser_shims.mjs';
import * as THREE from 'three';
import { BVHLoader } from 'three/addons/loaders/BVHLoader.js';
import { FBXLoader } from 'three/addons/loaders/FBXLoader.js';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import { MeshoptDecoder } from 'three/addons/libs/meshopt_decoder.module.js';

const JSON_CHUNK = 0x4e4f534a;
const bytes = (file) => { const b = fs.readFileSync(file); return b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength); };

// Only nodes, skins and animations matter here: materials and images are dropped, and so are the surfaces of
// Draco files (there is no decoder under node), whose skeletons and clips are not compressed.
function withoutPictures(json) {
  for (const key of ['images', 'textures', 'samplers', 'materials']) delete json[key];
  for (const mesh of json.meshes ?? []) for (const primitive of mesh.primitives) delete primitive.material;
  const draco = 'KHR_draco_mesh_compression';
  if (json.extensionsRequired?.includes(draco)) {
    for (const list of ['extensionsRequired', 'extensionsUsed']) json[list] = json[list].filter((name) => name !== draco);
    delete json.meshes;
    for (const node of json.nodes) { delete node.mesh; delete node.skin; }
  }
  return json;
}

function gltfDocument(file) {
  if (file.toLowerCase().endsWith('.gltf')) {
    const json = withoutPictures(JSON.parse(fs.readFileSync(file)));
    for (const buffer of json.buffers ?? []) {
      if (!buffer.uri || buffer.uri.startsWith('data:')) continue;
      const data = fs.readFileSync(path.join(path.dirname(file), decodeURIComponent(buffer.uri)));
      buffer.uri = 'data:application/octet-stream;base64,' + data.toString('base64');
    }
    return JSON.stringify(json);
  }
  const view = new DataView(bytes(file));
  const length = view.getUint32(12, true);
  const json = withoutPictures(JSON.parse(new TextDecoder().decode(new Uint8Array(view.buffer, 20, length))));
  let text = new TextEncoder().encode(JSON.stringify(json));
  const padded = new Uint8Array(Math.ceil(text.length / 4) * 4).fill(32);
  padded.set(text);
  const rest = new Uint8Array(view.buffer, 20 + length);
  const out = new Uint8Array(20 + padded.length + rest.length);
  const header = new DataView(out.buffer);
  [0x46546c67, 2, out.length, padded.length, JSON_CHUNK].forEach((word, i) => header.setUint32(4 * i, word, true));
  out.set(padded, 20);
  out.set(rest, 20 + padded.length);
  return out.buffer;
}

async function loadGltf(file) {
  const loader = new GLTFLoader();
  loader.setMeshoptDecoder(MeshoptDecoder);
  const gltf = await loader.parseAsync(gltfDocument(file), '');
  const names = new Map();
  for (const [object, link] of gltf.parser.associations) {
    if (object.isObject3D && link?.nodes !== undefined) {
      names.set(object, gltf.parser.json.nodes[link.nodes].name ?? '');
    }
  }
  return { root: gltf.scene, clips: gltf.animations, name: (node) => names.get(node), scale: 1, start: () => 0 };
}

function loadFbx(file) {
  const root = new FBXLoader().parse(bytes(file), './');
  const start = (clip) => Math.min(...clip.tracks.map((track) => track.times[0]));
  const name = (node) => (node === root ? undefined : node.userData.originalName ?? node.name);
  return { root, clips: root.animations, name, scale: (root.userData.unitScaleFactor ?? 1) / 100, start };
}

function loadBvh(file) {
  const { skeleton, clip } = new BVHLoader().parse(fs.readFileSync(file, 'utf8'));
  const root = new THREE.Group();
  root.add(skeleton.bones[0]);
  return { root, clips: [clip], name: (node) => (node.isBone ? node.name : undefined), scale: 1, start: () => 0 };
}

function positions({ root, clips, name, scale, start }, job) {
  const nodes = [];
  root.traverse((node) => { if (name(node)) nodes.push(node); });
  const clip = clips.find((candidate) => candidate.name === job.clip) ?? clips[0];
  const mixer = new THREE.AnimationMixer(root);
  if (clip) {
    const action = mixer.clipAction(clip);
    action.setLoop(THREE.LoopOnce);
    action.clampWhenFinished = true;
    action.play();
  }
  const point = new THREE.Vector3();
  const frames = job.times.map((time) => {
    if (clip) {
      for (const action of mixer._actions) { action.paused = false; action.enabled = true; }
      mixer.setTime(Math.min(start(clip) + time, clip.duration));
    }
    root.updateMatrixWorld(true);
    return nodes.map((node) => point.setFromMatrixPosition(node.matrixWorld).multiplyScalar(scale).toArray());
  });
  return { joints: nodes.map(name), positions: frames, clips: clips.map((candidate) => candidate.name) };
}

console.log = console.info = console.warn = console.error; // loaders chat on stdout
for await (const line of readline.createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  let answer;
  try {
    const extension = path.extname(job.file).toLowerCase();
    const load = { '.fbx': loadFbx, '.bvh': loadBvh }[extension] ?? loadGltf;
    answer = positions(await load(job.file), job);
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  fs.writeSync(1, JSON.stringify(answer) + '\n');
}
