import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type LockEntries, missingEntries } from '../../scripts/lockfile.ts'
import { repository } from '../tidiness/files.ts'

interface Manifest {
  readonly name: string
  readonly license?: string
  readonly description?: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

type LockedPackage = LockEntries[string]

const read = <T>(path: string) => JSON.parse(readFileSync(join(repository, path), 'utf8')) as T
const packages = readdirSync(join(repository, 'packages')).map((folder) => ({
  folder,
  manifest: read<Manifest>(`packages/${folder}/package.json`),
}))
const locked = read<{ packages: LockEntries }>('package-lock.json').packages

interface Row {
  readonly library: string
  readonly licence: string
  readonly usedBy: string
  readonly reason: string
}

function documented(): Row[] {
  const text = readFileSync(join(repository, 'docs/reference/dependencies.md'), 'utf8')
  return [...text.matchAll(/^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)].map(
    ([, library, licence, usedBy, reason]) => ({
      library: library!,
      licence: licence!,
      usedBy: usedBy!,
      reason: reason!,
    }),
  )
}

/** Which packages need each library at run time. */
function needed(): Map<string, string[]> {
  const users = new Map<string, string[]>()
  for (const { folder, manifest } of packages)
    for (const library of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }))
      if (!library.startsWith('@drover/')) users.set(library, [...(users.get(library) ?? []), folder].sort())
  return users
}

test('the table of dependencies names each library, once, with who uses it and why', () => {
  const table = documented().map(({ library, usedBy }) => `${library}: ${usedBy}`)
  const real = [...needed()].map(([library, users]) => `${library}: ${users.join(', ')}`)
  assert.deepEqual(table.sort(), real.sort())
  for (const { library, reason } of documented()) assert.ok(reason.trim().length > 3, library)
})

/** The locked entry of a library that a package of the workspace needs. */
function lockedEntry(library: string, users: readonly string[]): LockedPackage | undefined {
  const inside = users.map((folder) => locked[`packages/${folder}/node_modules/${library}`])
  return locked[`node_modules/${library}`] ?? inside.find((entry) => entry !== undefined)
}

test('the table tells the licences of what is installed', () => {
  const users = needed()
  for (const { library, licence } of documented())
    assert.equal(lockedEntry(library, users.get(library) ?? [])?.license, licence, library)
})

const permissive =
  /^(MIT|ISC|Apache-2\.0|BSD-[23]-Clause|0BSD|BlueOak-1\.0\.0|Unlicense|CC0-1\.0|Python-2\.0)$/

/** Not permissive, but neither linked into Drover nor handed on with it. */
const buildOnly = /node_modules\/lightningcss(-|$)/

test('everything that is installed, the dependencies of dependencies included, has a permissive licence', () => {
  const isPermissive = (license = '') =>
    license
      .replace(/^\(|\)$/g, '')
      .split(' OR ')
      .some((choice) => choice.split(' AND ').every((one) => permissive.test(one)))
  const others = Object.entries(locked)
    .filter(([path, { link }]) => path.includes('node_modules/') && !link)
    .filter(([path, { license }]) => !isPermissive(license) && !buildOnly.test(path))
    .map(([path, { license }]) => `${path}: ${license}`)
  assert.deepEqual(others, [])
})

test('every package says what it is and under which licence', () => {
  for (const { manifest } of packages) {
    assert.equal(manifest.license, 'Apache-2.0', manifest.name)
    assert.ok((manifest.description ?? '').length > 10, manifest.name)
  }
})

test('the lock file holds the packages of all platforms, without which npm ci refuses it', () => {
  assert.deepEqual(Object.keys(missingEntries(locked)), [], 'Complete it with: npm run lockfile')
})

test('packages of other platforms are found out from their names', () => {
  const optionalDependencies = {
    '@x/y-linux-arm64-musl': '1.2.3',
    '@x/y-win32-x64': '1.2.3',
    '@x/there': '1.2.3',
    fsevents: '~2.3',
  }
  const lock = {
    'node_modules/@x/y': { version: '1.2.3', dev: true, license: 'MIT', optionalDependencies },
    'node_modules/@x/there': { version: '1.2.3' },
  }
  const common = { version: '1.2.3', dev: true, license: 'MIT', optional: true }
  assert.deepEqual(missingEntries(lock), {
    'node_modules/@x/y-linux-arm64-musl': { ...common, os: ['linux'], cpu: ['arm64'], libc: ['musl'] },
    'node_modules/@x/y-win32-x64': { ...common, os: ['win32'], cpu: ['x64'] },
  })
})
