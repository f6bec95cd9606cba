import { globSync } from 'node:fs'
import { installPackages } from './debian.ts'
import { engineTests, run, testStep } from './steps.ts'

const help = `npm run test:engines

Runs the tests that need a real broker or database (*.engine.test.ts), one file at a time, and installs what they need:
packages of Debian with apt-get, the rest from the registries of Maven and npm into node_modules/.cache. It never starts
a service of the system: each test starts its own on free ports of this machine and stops it.

  DRIVERS=TEXT,…   only the files with one of the texts in their path

Example: DRIVERS=kafka,postgres npm run test:engines`

/** What the servers need of the system, and which tests need it: those with one of the words in their path. */
const prerequisites = [
  { words: ['postgres'], path: '/usr/lib/postgresql/*/bin/postgres', package: 'postgresql' },
  { words: ['rabbitmq'], path: '/usr/{sbin,lib/rabbitmq/bin}/rabbitmq-server', package: 'rabbitmq-server' },
  { words: ['kafka', 'cassandra'], path: '/usr/bin/java', package: 'default-jre-headless' },
  { words: ['kafka', 'cassandra'], path: '/usr/bin/mvn', package: 'maven' },
  { words: ['compose'], path: '/usr/bin/docker-compose', package: 'docker-compose' },
]
type Prerequisite = (typeof prerequisites)[number]

const isMissing = ({ path }: Prerequisite) => globSync(path).length === 0
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
  await installPackages([...new Set(wanted.map((one) => one.package))])
  const missing = wanted.filter(isMissing)
  const runnable = picked.filter((file) => !missing.some((one) => needs(file, one)))
  for (const one of missing) {
    const files = picked.filter((file) => needs(file, one))
    console.log(
      `✖ left out, because ${one.package} is missing and could not be installed: ${files.join(', ')}`,
    )
  }
  if (missing.length > 0 && process.env.CI) return 1
  if (runnable.length === 0) return 0
  const passed = await run(
    testStep('real engines', runnable, {
      concurrency: 1,
      timeoutMs: 600_000,
      remedy: 'Run one of them again with: DRIVERS=PART-OF-ITS-PATH npm run test:engines',
    }),
  )
  return passed ? 0 : 1
}

if (process.argv.includes('--help')) console.log(help)
else process.exitCode = await testEngines()
