// The page's behaviour. Names come from files: they are only ever set as text, never as markup.
// In the address: #clip=1&time=0.5 shows a still moment; skeleton=1, mesh=0, ground=0, theme=dark set the switches.
import {
  AmbientLight, AnimationMixer, Box3, BufferGeometry, Color, DirectionalLight, DoubleSide, Float32BufferAttribute,
  HemisphereLight, InstancedMesh, Matrix4, Mesh, MeshLambertMaterial, PCFShadowMap, PerspectiveCamera,
  PlaneGeometry, Quaternion, Scene, ShaderMaterial, ShadowMaterial, SphereGeometry, Vector3, WebGLRenderer,
} from 'three'
import { OrbitControls } from 'three/examples/jsm/controls/OrbitControls.js'
import { GLTFLoader } from 'three/examples/jsm/loaders/GLTFLoader.js'

const part = (id) => document.getElementById(id)
const facts = JSON.parse(part('facts').textContent)
const wishes = new URLSearchParams(location.hash.slice(1))
const UP = new Vector3(0, 1, 0)
const REACH = 11 // pixels from the pointer to a joint that still count as on it

const state = { clip: 0, time: 0, playing: facts.clips.length > 0 && !wishes.has('time'), hover: -1, picked: -1 }

function fail(error) {
  part('message').hidden = false
  part('message').textContent = `The asset cannot be shown: ${error?.message ?? error}`
  document.documentElement.dataset.state = 'failed'
}
addEventListener('error', (event) => fail(event.error)) // a browser without WebGL ends here

const renderer = new WebGLRenderer({ canvas: part('stage'), antialias: true, alpha: true })
renderer.shadowMap.enabled = true
renderer.shadowMap.type = PCFShadowMap
renderer.autoClear = false
renderer.setPixelRatio(Math.min(devicePixelRatio, 2))
const scene = new Scene()
const bones = new Scene() // drawn last, over the body
const camera = new PerspectiveCamera(32, 1, 0.01, 1000)
const controls = new OrbitControls(camera, renderer.domElement)
controls.enableDamping = false

// ---------------------------------------------------------------- loading

function decode(base64) {
  const text = atob(base64.trim())
  const bytes = new Uint8Array(text.length)
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place)
  return bytes.buffer
}

async function load() {
  start(await new GLTFLoader().parseAsync(decode(part('asset').textContent), ''))
}

load().catch(fail)

let mixer, actions = [], joints = [], body = []

function start(gltf) {
  scene.add(gltf.scene)
  const places = new Map(facts.joints.map((joint, place) => [joint.name, place]))
  joints = new Array(facts.joints.length).fill(null)
  gltf.scene.traverse((object) => {
    const node = gltf.parser.associations.get(object)?.nodes
    const name = node === undefined ? undefined : gltf.parser.json.nodes[node].name
    if (object.isMesh) {
      body.push(object)
      object.frustumCulled = false // skinned: its rest box says nothing
      object.castShadow = true
    } else if (places.has(name)) joints[places.get(name)] ??= object
  })
  mixer = new AnimationMixer(gltf.scene)
  actions = gltf.animations.map((animation) => mixer.clipAction(animation))
  buildBones()
  fillControls()
  resize()
  chooseClip(Math.min(Number(wishes.get('clip') ?? 0) || 0, Math.max(facts.clips.length - 1, 0)))
  if (wishes.has('time')) seek(Number(wishes.get('time')) || 0)
  document.documentElement.dataset.state = 'ready'
  renderer.setAnimationLoop(frame)
  frame()
}

// ---------------------------------------------------------------- light and ground

scene.add(new AmbientLight(0xffffff, 0.55), new HemisphereLight(0xffffff, 0x9a9aa4, 1.1))
const sun = new DirectionalLight(0xfff6ea, 2.1)
sun.castShadow = true
sun.shadow.mapSize.set(2048, 2048)
sun.shadow.radius = 3
scene.add(sun, sun.target)
bones.add(new HemisphereLight(0xffffff, 0x777780, 2.4))

const floor = new Mesh(new PlaneGeometry(1, 1), new ShaderMaterial({
  transparent: true, depthWrite: false, side: DoubleSide,
  uniforms: { cell: { value: 1 }, reach: { value: 1 }, middle: { value: new Vector3() }, ink: { value: new Color() } },
  vertexShader: 'varying vec3 at; void main() { vec4 p = modelMatrix * vec4(position, 1.0); at = p.xyz; gl_Position = projectionMatrix * viewMatrix * p; }',
  fragmentShader: `varying vec3 at; uniform float cell, reach; uniform vec3 middle, ink;
    void main() {
      vec2 place = at.xz / cell, step = fwidth(place);
      vec2 gap = abs(fract(place - 0.5) - 0.5);
      vec2 cover = 1.0 - smoothstep(vec2(0.0), step * 1.4 + 0.004, gap);
      float off = length(at.xz - middle.xz) / reach;
      gl_FragColor = vec4(ink, max(cover.x, cover.y) * exp(-off * off) * 0.2);
    }`,
}))
const shade = new Mesh(new PlaneGeometry(1, 1), new ShadowMaterial({ opacity: 0.3, transparent: true, depthWrite: false }))
shade.receiveShadow = true
for (const plane of [shade, floor]) {
  plane.rotation.x = -Math.PI / 2
  scene.add(plane)
}
shade.renderOrder = -2
floor.renderOrder = -1

function placeGround(clip) {
  const size = clip.size
  for (const plane of [shade, floor]) {
    plane.position.set(0, clip.ground, 0)
    plane.scale.setScalar(400 * size)
  }
  const power = 10 ** Math.floor(Math.log10(size / 2))
  floor.material.uniforms.cell.value = [5, 2, 1].map((step) => step * power).find((cell) => cell <= size / 2) ?? power
  floor.material.uniforms.reach.value = 2 * size
  const eye = sun.shadow.camera
  eye.left = eye.bottom = -1.3 * size
  eye.right = eye.top = 1.3 * size
  eye.near = 0.05 * size
  eye.far = 8 * size
  sun.shadow.bias = -0.0008
  sun.shadow.normalBias = 0.004 * size
  eye.updateProjectionMatrix()
}

// ---------------------------------------------------------------- skeleton

let sticks, knobs, halo
const links = [] // [parent, child] pairs of joints

function octahedron() { // along +Y from 0 to 1, thickest near its start
  const ring = [[1, 0.16, 0], [0, 0.16, 1], [-1, 0.16, 0], [0, 0.16, -1]]
  const corners = []
  for (let side = 0; side < 4; side++) {
    const here = ring[side], next = ring[(side + 1) % 4]
    corners.push(...[0, 0, 0], ...here, ...next, ...[0, 1, 0], ...next, ...here)
  }
  const shape = new BufferGeometry()
  shape.setAttribute('position', new Float32BufferAttribute(corners, 3))
  shape.computeVertexNormals()
  return shape
}

function buildBones() {
  facts.joints.forEach((joint, place) => { if (joint.parent >= 0) links.push([joint.parent, place]) })
  const material = () => new MeshLambertMaterial({ side: DoubleSide })
  sticks = new InstancedMesh(octahedron(), material(), Math.max(links.length, 1))
  knobs = new InstancedMesh(new SphereGeometry(1, 12, 8), material(), joints.length)
  halo = new Mesh(new SphereGeometry(1, 20, 12), new MeshLambertMaterial({ color: 0xffffff, emissive: 0xff7a00, emissiveIntensity: 0.7 }))
  sticks.count = links.length
  for (const mesh of [sticks, knobs, halo]) {
    mesh.frustumCulled = false
    bones.add(mesh)
  }
  const colour = (place) => new Color(...facts.joints[place].colour)
  links.forEach(([, child], place) => sticks.setColorAt(place, colour(child)))
  joints.forEach((_, place) => knobs.setColorAt(place, colour(place)))
}

const heads = []
const matrix = new Matrix4(), turn = new Quaternion(), along = new Vector3(), scale = new Vector3()

function placeHeads() {
  joints.forEach((joint, place) => {
    heads[place] ??= new Vector3()
    if (joint) heads[place].setFromMatrixPosition(joint.matrixWorld)
  })
}

function poseBones() {
  if (!part('skeleton').checked && state.hover < 0 && state.picked < 0) return
  const size = current().size, knob = 0.0065 * size
  links.forEach(([parent, child], place) => {
    along.subVectors(heads[child], heads[parent])
    const length = along.length()
    const girth = Math.min(0.09 * length, 0.014 * size)
    turn.setFromUnitVectors(UP, length > 0 ? along.divideScalar(length) : UP)
    sticks.setMatrixAt(place, matrix.compose(heads[parent], turn, scale.set(girth, Math.max(length, 1e-9), girth)))
  })
  heads.forEach((head, place) => knobs.setMatrixAt(place, matrix.compose(head, turn.identity(), scale.setScalar(knob))))
  sticks.instanceMatrix.needsUpdate = knobs.instanceMatrix.needsUpdate = true
  sticks.visible = knobs.visible = part('skeleton').checked
  const shown = state.hover >= 0 ? state.hover : state.picked
  halo.visible = shown >= 0
  if (shown >= 0) {
    halo.position.copy(heads[shown])
    halo.scale.setScalar(1.9 * knob)
  }
}

// ---------------------------------------------------------------- clips and time

const current = () => facts.clips[state.clip] ?? facts.rest
const lastFrame = () => Math.max((facts.clips[state.clip]?.frames ?? 1) - 1, 0)
const duration = () => (facts.clips.length ? lastFrame() / current().fps : 0)

function chooseClip(place) {
  state.clip = place
  mixer.stopAllAction()
  actions[place]?.reset().play()
  part('clip').value = String(place)
  part('scrub').max = String(lastFrame())
  part('follow').checked = wishes.has('follow') ? wishes.get('follow') === '1' : current().travels
  placeGround(current())
  seek(0)
  frameSubject()
}

function seek(time) {
  state.time = Math.min(Math.max(time, 0), duration())
  if (facts.clips.length) {
    // At its very end a looping action would already show its start.
    const action = actions[state.clip]
    const length = action?.getClip().duration ?? 0
    mixer.setTime(0)
    if (action) action.time = Math.min(state.time, length * (1 - 1e-7))
    mixer.update(0)
  }
  scene.updateMatrixWorld(true)
  follow()
  showClock()
}

function step(frames) {
  setPlaying(false)
  const fps = current().fps ?? 30
  seek((Math.round(state.time * fps) + frames) / fps)
}

function setPlaying(wanted) {
  state.playing = wanted && facts.clips.length > 0
  part('play').classList.toggle('playing', state.playing)
}

function showClock() {
  const place = Math.round(state.time * (current().fps ?? 30))
  part('scrub').value = String(place)
  part('clock').textContent = facts.clips.length ? `${state.time.toFixed(2)} s · frame ${place} of ${lastFrame()}` : 'rest pose'
}

// ---------------------------------------------------------------- camera

const centre = new Vector3(), before = new Vector3(), shift = new Vector3()
const box = new Box3()

function middle(target) {
  target.set(0, 0, 0)
  let count = 0
  for (const joint of joints) {
    if (!joint) continue
    target.add(shift.setFromMatrixPosition(joint.matrixWorld))
    count++
  }
  return target.divideScalar(Math.max(count, 1))
}

function follow() { // travels along the floor only: a jump is to be seen as one
  middle(centre)
  if (part('follow').checked) {
    shift.subVectors(centre, before).setY(0)
    camera.position.add(shift)
    controls.target.add(shift)
  }
  before.copy(centre)
  const clip = current()
  sun.target.position.copy(centre).setY(clip.ground + 0.3 * clip.size)
  sun.position.copy(sun.target.position).add(shift.set(-0.5, 1.5, 0.75).multiplyScalar(2 * clip.size))
  floor.material.uniforms.middle.value.copy(centre)
}

function frameSubject() {
  const clip = current()
  box.set(new Vector3(...clip.low), new Vector3(...clip.high))
  box.getCenter(controls.target)
  if (part('follow').checked) { // the box is of a subject brought to the start of its way
    controls.target.x += centre.x - clip.start[0]
    controls.target.z += centre.z - clip.start[2]
  }
  const size = box.getSize(new Vector3()), radius = Math.max(size.length() / 2, 1e-6)
  const yaw = (35 * Math.PI) / 180, pitch = (14 * Math.PI) / 180
  const back = new Vector3(Math.sin(yaw) * Math.cos(pitch), Math.sin(pitch), Math.cos(yaw) * Math.cos(pitch))
  const right = new Vector3(Math.cos(yaw), 0, -Math.sin(yaw)), up = new Vector3().crossVectors(back, right)
  const slope = Math.tan((camera.fov * Math.PI) / 360)
  const below = document.querySelector('footer').offsetHeight + 14, above = 48 // what controls and title cover
  const free = Math.max(1 - (below + above) / Math.max(innerHeight, 1), 0.3)
  let distance = 0
  for (let corner = 0; corner < 8; corner++) { // the nearest place from which the whole box is seen
    shift.set(corner & 1 ? 0.5 : -0.5, corner & 2 ? 0.5 : -0.5, corner & 4 ? 0.5 : -0.5).multiply(size)
    const across = Math.abs(shift.dot(right)) / (1.05 * slope * camera.aspect), high = Math.abs(shift.dot(up)) / (1.08 * free * slope)
    distance = Math.max(distance, Math.max(across, high) + shift.dot(back))
  }
  controls.target.addScaledVector(up, -((below - above) / Math.max(innerHeight, 1)) * distance * slope)
  camera.position.copy(controls.target).addScaledVector(back, Math.max(distance, 1.2 * radius))
  controls.minDistance = 0.02 * radius
  controls.maxDistance = 60 * radius
  controls.update()
}

function resize() {
  renderer.setSize(innerWidth, innerHeight, false)
  camera.aspect = innerWidth / Math.max(innerHeight, 1)
  camera.updateProjectionMatrix()
}

// ---------------------------------------------------------------- joints under the pointer

const pointer = { x: -1e4, y: -1e4, down: null }
const onScreen = new Vector3()

function jointAt(x, y) {
  let best = -1, nearest = REACH
  heads.forEach((head, place) => {
    onScreen.copy(head).project(camera)
    if (onScreen.z > 1 || !joints[place]) return
    const off = Math.hypot((onScreen.x + 1) * innerWidth / 2 - x, (1 - onScreen.y) * innerHeight / 2 - y)
    if (off < nearest) [best, nearest] = [place, off]
  })
  return best
}

function showHover() {
  state.hover = pointer.down ? -1 : jointAt(pointer.x, pointer.y)
  const label = part('hover')
  label.hidden = state.hover < 0
  renderer.domElement.classList.toggle('over', state.hover >= 0)
  if (state.hover < 0) return
  label.textContent = facts.joints[state.hover].name
  label.style.left = `${Math.min(pointer.x, innerWidth - 160)}px`
  label.style.top = `${Math.max(pointer.y, 40)}px`
}

function showPicked() {
  const panel = part('joint')
  panel.hidden = state.picked < 0
  if (state.picked < 0) return
  const joint = facts.joints[state.picked], head = heads[state.picked]
  panel.querySelector('strong').textContent = joint.name
  const above = joint.parent >= 0 ? `below ${facts.joints[joint.parent].name}` : 'a root'
  const place = head.toArray().map((value) => value.toFixed(3)).join('  ')
  panel.querySelector('span').textContent = `${above}\n${joint.deforms ? 'moves the mesh' : 'moves no vertex'}\n${place} m`
}

// For scripts, and for the tests of this page: choose a joint; where a joint is on the page.
window.mocapView = {
  pick(place) {
    state.picked = place
    refresh()
    placeHeads()
    showPicked()
    return [facts.joints[place].name, heads[place].toArray()]
  },
  place(place) {
    placeHeads()
    onScreen.copy(heads[place]).project(camera)
    return [((onScreen.x + 1) * innerWidth) / 2, ((1 - onScreen.y) * innerHeight) / 2]
  },
}

// ---------------------------------------------------------------- controls

function fillControls() {
  for (const [place, clip] of facts.clips.entries()) part('clip').append(new Option(clip.name, String(place)))
  if (!facts.clips.length) {
    part('clip').append(new Option('none'))
    for (const id of ['clip', 'play', 'scrub', 'speed']) part(id).disabled = true
  }
  part('summary').textContent = facts.summary
  const has = (name, otherwise) => (wishes.has(name) ? wishes.get(name) === '1' : otherwise)
  part('mesh').checked = has('mesh', body.length > 0)
  part('mesh').disabled = body.length === 0
  part('skeleton').checked = has('skeleton', body.length === 0)
  part('ground').checked = has('ground', true)
  setPlaying(state.playing)
  part('play').onclick = () => setPlaying(!state.playing)
  part('scrub').oninput = () => { setPlaying(false); seek(Number(part('scrub').value) / current().fps) }
  part('clip').onchange = () => chooseClip(Number(part('clip').value))
  part('reset').onclick = frameSubject
  part('theme').onclick = () => setTheme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark')
  setTheme(wishes.get('theme') ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'))
  addEventListener('resize', resize)
  addEventListener('keydown', pressed)
  const canvas = renderer.domElement
  canvas.addEventListener('pointermove', (event) => Object.assign(pointer, { x: event.clientX, y: event.clientY }))
  canvas.addEventListener('pointerleave', () => Object.assign(pointer, { x: -1e4, y: -1e4, down: null }))
  canvas.addEventListener('pointerdown', (event) => { pointer.down = [event.clientX, event.clientY] })
  canvas.addEventListener('pointerup', (event) => {
    const still = pointer.down && Math.hypot(event.clientX - pointer.down[0], event.clientY - pointer.down[1]) < 4
    pointer.down = null
    if (still) state.picked = jointAt(event.clientX, event.clientY)
  })
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme === 'dark' ? 'dark' : 'light'
  floor.material.uniforms.ink.value.set(theme === 'dark' ? 0xaeb6c2 : 0x5c6674)
  shade.material.opacity = theme === 'dark' ? 0.5 : 0.28
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === 'SELECT') return
  const jobs = {
    ' ': () => setPlaying(!state.playing),
    ArrowRight: () => step(event.shiftKey ? 10 : 1),
    ArrowLeft: () => step(event.shiftKey ? -10 : -1),
    ArrowDown: () => facts.clips.length && chooseClip((state.clip + 1) % facts.clips.length),
    ArrowUp: () => facts.clips.length && chooseClip((state.clip + facts.clips.length - 1) % facts.clips.length),
    Home: () => step(-1e9), End: () => step(1e9),
    r: frameSubject, d: () => part('theme').click(),
    s: () => part('skeleton').click(), m: () => part('mesh').click(),
  }
  const job = jobs[event.key.length === 1 ? event.key.toLowerCase() : event.key]
  if (!job) return
  event.preventDefault()
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur()
  job()
}

// ---------------------------------------------------------------- the loop

let last = performance.now(), stale = true
const refresh = () => { stale = true }
controls.addEventListener('change', refresh)
for (const kind of ['resize', 'keydown', 'input', 'change', 'click', 'pointermove', 'pointerup']) addEventListener(kind, refresh)

function frame(now = performance.now()) {
  const passed = Math.min(Math.max(now - last, 0) / 1000, 0.2)
  last = now
  if (state.playing && duration() > 0) {
    const time = state.time + passed * Number(part('speed').value)
    seek(time > duration() ? time % duration() : time)
  }
  controls.update()
  if (!stale && !state.playing) return // a still page costs nothing
  stale = false
  const distance = camera.position.distanceTo(controls.target)
  camera.near = distance / 200
  camera.far = distance + 200 * current().size
  camera.updateProjectionMatrix()
  camera.updateMatrixWorld()
  for (const mesh of body) mesh.visible = part('mesh').checked
  floor.visible = shade.visible = part('ground').checked
  placeHeads()
  showHover()
  poseBones()
  showPicked()
  renderer.clear()
  renderer.render(scene, camera)
  if (part('skeleton').checked || state.hover >= 0 || state.picked >= 0) {
    renderer.clearDepth()
    renderer.render(bones, camera)
  }
}
