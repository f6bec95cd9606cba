// breaks: server-imports-only-protocol-and-log
import '../../../sdk/src/client/index.ts'
