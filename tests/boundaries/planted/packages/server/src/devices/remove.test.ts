import '../queue/memory.ts'
import './remove.ts'
import 'fast-check'
