// Draws each case of /cases.json with three.js and posts the PNG back: the same camera, Lambert light, no tone mapping.
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { MeshoptDecoder } from "three/addons/libs/meshopt_decoder.module.js";

const post = (path, body) => fetch(path, { method: "POST", body });

function lambert(material) {
  // Only what our renderer knows: base colour, texture, vertex colours, sides, alpha test.
  const { color, map, vertexColors, side, alphaTest, flatShading, opacity } = material;
  return new THREE.MeshLambertMaterial({ color, map, vertexColors, side, alphaTest, flatShading, opacity });
}

function pose(gltf, { clip, time }) {
  if (clip < 0) return;
  const mixer = new THREE.AnimationMixer(gltf.scene);
  const action = mixer.clipAction(gltf.animations[clip]);
  action.setLoop(THREE.LoopOnce);
  action.clampWhenFinished = true;
  action.play();
  mixer.setTime(time);
}

function light(scene, lights) {
  // Divided by pi in three.js' reflection; a colour is set without conversion.
  for (const [x, y, z, r, g, b] of lights) {
    const ambient = x === 0 && y === 0 && z === 0;
    const lamp = ambient ? new THREE.AmbientLight() : new THREE.DirectionalLight();
    lamp.color.setRGB(r, g, b);
    lamp.intensity = Math.PI;
    if (!ambient) lamp.position.set(x, y, z);
    scene.add(lamp);
  }
}

async function draw(renderer, loader, item) {
  const gltf = await loader.loadAsync(item.url);
  pose(gltf, item);
  gltf.scene.traverse((node) => {
    if (!node.isMesh) return;
    node.frustumCulled = false;
    node.material = Array.isArray(node.material) ? node.material.map(lambert) : lambert(node.material);
  });
  const scene = new THREE.Scene();
  scene.add(gltf.scene);
  light(scene, item.lights);
  const camera = new THREE.PerspectiveCamera();
  camera.matrixAutoUpdate = false;
  camera.matrix.fromArray(item.world);
  camera.updateMatrixWorld(true);
  camera.projectionMatrix.fromArray(item.projection);
  camera.projectionMatrixInverse.copy(camera.projectionMatrix).invert();
  renderer.setSize(item.size, item.size, false);
  renderer.render(scene, camera);
  return new Promise((resolve) => renderer.domElement.toBlob(resolve, "image/png"));
}

const renderer = new THREE.WebGLRenderer({ antialias: false, alpha: true, preserveDrawingBuffer: true });
renderer.setPixelRatio(1);
renderer.setClearColor(0x000000, 0);
renderer.toneMapping = THREE.NoToneMapping;
const loader = new GLTFLoader();
loader.setMeshoptDecoder(MeshoptDecoder);
for (const [index, item] of (await (await fetch("/cases.json")).json()).entries()) {
  try {
    await post(`/result/${index}`, await draw(renderer, loader, item));
  } catch (error) {
    await post(`/failed/${index}`, String(error));
  }
}
await post("/done", THREE.REVISION);
