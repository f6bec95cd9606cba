import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from './steps.ts'

/**
 * Completes package-lock.json with the packages of other platforms. npm leaves those out that the registry at hand does
 * not offer, and `npm ci` then refuses the file everywhere. The packages that they belong to name them with their
 * versions; operating system and processor are in their names.
 */
export interface LockEntry {
  readonly version?: string
  readonly dev?: boolean
  readonly license?: string
  readonly optional?: boolean
  readonly link?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}
export type LockEntries = Readonly<Record<string, LockEntry>>

const exactVersion = /^\d+\.\d+\.\d+(-[\w.]+)?$/

/** Entries that the lock lacks, by their path in node_modules. */
export function missingEntries(packages: LockEntries): Record<string, LockEntry> {
  const missing: Record<string, LockEntry> = {}
  for (const { optionalDependencies = {}, dev, license } of Object.values(packages))
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const path = `node_modules/${name}`
      const isThere = Object.keys(packages).some((key) => key === path || key.endsWith(`/${path}`))
      if (isThere || !exactVersion.test(version)) continue
      missing[path] = { version, ...platformOf(name), ...(dev && { dev }), license, optional: true }
    }
  return missing
}

const systems = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const processors = ['arm', 'arm64', 'ia32', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']

function platformOf(name: string): Pick<LockEntry, 'os' | 'cpu' | 'libc'> {
  const words = name.split(/[/-]/)
  const os = systems.find((system) => words.includes(system))
  const cpu = processors.find((processor) => words.includes(processor))
  const musl = words.some((word) => word.startsWith('musl')) && { libc: ['musl'] }
  const gnu = words.some((word) => word.startsWith('gnu')) && { libc: ['glibc'] }
  return { ...(cpu && { cpu: [cpu] }), ...musl, ...gnu, ...(os && { os: [os] }) }
}

if (import.meta.main) {
  const file = join(repository, 'package-lock.json')
  const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: LockEntries }
  const missing = missingEntries(lock.packages)
  const all = { ...lock.packages, ...missing }
  const packages = Object.fromEntries(
    Object.keys(all)
      .sort((a, b) => a.localeCompare(b, 'en'))
      .map((path) => [path, all[path]]),
  )
  writeFileSync(file, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`)
  console.log(`added ${Object.keys(missing).length} packages`)
}
