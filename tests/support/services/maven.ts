import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installed } from './installed.ts'

const run = promisify(execFile)
const installTimeoutMs = 900_000

/** A dependency as Maven names it: group, artifact and version, with colons. */
export type Artifact = `${string}:${string}:${string}`

/** The folder `name` of the cache with the artifacts and all that they need at run time, fetched by Maven once. */
export async function mavenLibraries(name: string, artifacts: readonly Artifact[]): Promise<string> {
  return installed(name, async (directory) => {
    await writeFile(join(directory, 'pom.xml'), pom(artifacts))
    const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
    const scope = ['-DincludeScope=runtime', '-DoutputDirectory=.']
    await run('mvn', ['-B', '-q', goal, ...scope], { cwd: directory, timeout: installTimeoutMs })
  })
}

function pom(artifacts: readonly Artifact[]): string {
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':')
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`
  })
  return `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>${dependencies.join('')}</dependencies>
</project>
`
}

/** The program of the first Java, of JAVA_HOME or installed by the system, of one of these major versions. */
export async function findJava(majors: readonly number[]): Promise<string> {
  const machines = '/usr/lib/jvm'
  const homes = existsSync(machines) ? (await readdir(machines)).map((name) => join(machines, name)) : []
  const { JAVA_HOME } = process.env
  for (const home of [...(JAVA_HOME ? [JAVA_HOME] : []), ...homes]) {
    const release = await readFile(join(home, 'release'), 'utf8').catch(() => '')
    const major = Number(/^JAVA_VERSION="(\d+)/m.exec(release)?.[1])
    const java = join(home, 'bin', 'java')
    if (majors.includes(major) && existsSync(java)) return java
  }
  throw new Error(
    `There is no Java ${majors.join(' or ')}: set JAVA_HOME, or install openjdk-${majors[0]}-jre-headless.`,
  )
}
