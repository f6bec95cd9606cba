// breaks: cli-imports-only-client-and-server-entry
import '../../log/src/index.ts'
