// SPDX-License-Identifier: BSL-1.0
// speedscope_import.mjs FOLDER TRACE: imports a trace as speedscope does, and prints what it understood as JSON:
//   {"profiles": [{"name", "unit", "calls": [{"name", "start", "end", "depth"}, …]}, …], "complaints": ["…", …]}
// FOLDER is that of the npm package speedscope. The package has no library but a page, one script that keeps its
// importer to itself. So the script is run here without a page, and the importer is caught where the script's bundler
// (esbuild) gives it its name.
import fs from 'node:fs'
import path from 'node:path'
import vm from 'node:vm'

// In one line: where it was thrown is a line of half a million characters.
process.on('uncaughtException', error => {
    process.stderr.write(`${error}\n`)
    process.exit(1)
})

const [folder, trace] = process.argv.slice(2)
const page = path.join(folder, 'dist', 'release')
const script = fs.readdirSync(page).find(name => /^speedscope-\w+\.js$/.test(name))
const source = fs.readFileSync(path.join(page, script), 'utf8')

const complaints = []
const complain = (...words) => complaints.push(words.join(' '))
const context = vm.createContext({
    console: { log() {}, assert() {}, warn: complain, error: complain },
    TextDecoder,
    TextEncoder,
    location: { hash: '' },
})
vm.runInContext(`
    globalThis.window = globalThis.self = globalThis
    const define = Object.defineProperty
    Object.defineProperty = (object, name, how) => {
        if (name === 'importProfileGroupFromText') globalThis.importer = how.get
        return define(object, name, how)
    }`, context)
try {
    vm.runInContext(source, context, { filename: script })
} catch (error) {
    // Where it comes to draw itself there is no page. The importer is loaded all the same, a little later.
    if (!/document is not defined/.test(error.message)) throw error
}
await new Promise(resolve => setTimeout(resolve, 0))
if (!context.importer) throw new Error(`${script} has no importProfileGroupFromText`)

const group = await context.importer()(path.basename(trace), fs.readFileSync(trace, 'utf8'))
const profiles = (group?.profiles ?? []).map(profile => {
    const calls = []
    const open = []
    profile.forEachCall(
        (node, start) => {
            const call = { name: node.frame.name, start, depth: open.length }
            calls.push(call)
            open.push(call)
        },
        (_, end) => { open.pop().end = end },
    )
    return { name: profile.getName(), unit: profile.getWeightUnit(), calls }
})
process.stdout.write(JSON.stringify({ profiles, complaints }))
