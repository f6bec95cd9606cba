// breaks: seam-imports-no-other-driver
import '../queue/memory.ts'
