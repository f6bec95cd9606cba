import { globSync } from 'node:fs'
import { installPackages } from './debian.ts'
import { engineTests, run, testStep } from './steps.ts'

const help = `npm run test:engines

Runs the tests that need a real broker or database (*.engine.test.ts), one file at a time, and installs what they need:
packages of Debian with apt-get, the rest from Maven, npm and Go into node_modules/.cache. It never starts
a service of the system: each test starts its own on free ports of this machine and stops it.

  DRIVERS=TEXT,…   only the files with one of the texts in their path

Example: DRIVERS=kafka,postgres npm run test:engines`

interface Prerequisite {
  /** Tests with one of these words in their path need it. */
  readonly words: readonly string[]
  /** Where it is, or the name of a program in PATH. */
  readonly path: string
  /** Debian's package; undefined where that is too old: tests are left out without it, in CI too. */
  readonly package: string | undefined
}

const prerequisites: readonly Prerequisite[] = [
  { words: ['postgres'], path: '/usr/lib/postgresql/*/bin/postgres', package: 'postgresql' },
  { words: ['rabbitmq'], path: '/usr/lib/rabbitmq/lib/rabbitmq_server-*', package: 'rabbitmq-server' },
  { words: ['kafka', 'cassandra'], path: '/usr/lib/jvm/*/bin/java', package: 'default-jre-headless' },
  { words: ['kafka', 'cassandra'], path: 'mvn', package: 'maven' },
  { words: ['compose'], path: 'docker-compose', package: 'docker-compose' },
  { words: ['s3'], path: 'go', package: undefined },
]

function isMissing({ path }: Prerequisite): boolean {
  const folders = (process.env.PATH ?? '').replaceAll(':', ',')
  return globSync(path.startsWith('/') ? path : `{${folders}}/${path}`).length === 0
}

const needs = (file: string, { words }: Prerequisite) => words.some((word) => file.includes(word))

const pickedFiles = () => {
  const texts = (process.env.DRIVERS ?? '').split(',').filter((text) => text !== '')
  return engineTests().filter((path) => texts.length === 0 || texts.some((text) => path.includes(text)))
}

/** Answers the process's exit code. */
async function testEngines(): Promise<number> {
  const picked = pickedFiles()
  if (picked.length === 0) {
    console.error(`No engine test has ${process.env.DRIVERS} in its path.`)
    return 1
  }
  const wanted = prerequisites.filter((one) => isMissing(one) && picked.some((file) => needs(file, one)))
  await installPackages([...new Set(wanted.flatMap((one) => one.package ?? []))])
  const missing = wanted.filter(isMissing)
  for (const one of missing) {
    const files = picked.filter((file) => needs(file, one))
    console.log(`✖ ${one.path} is missing and cannot be installed. Left out: ${files.join(', ')}`)
  }
  if (process.env.CI && missing.some((one) => one.package !== undefined)) return 1
  const runnable = picked.filter((file) => !missing.some((one) => needs(file, one)))
  if (runnable.length === 0) return 0
  const passed = await run(
    testStep('real engines', runnable, {
      concurrency: 1,
      timeoutMs: 300_000,
      // A test that fails leaves connections that try for ever to come back to its server.
      forceExit: true,
      remedy: 'Run one of them again with: DRIVERS=PART-OF-ITS-PATH npm run test:engines',
    }),
  )
  return passed ? 0 : 1
}

if (process.argv.includes('--help')) console.log(help)
else process.exitCode = await testEngines()
