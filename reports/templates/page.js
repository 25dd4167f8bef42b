(()=>{const d=document,q=(s,r=d)=>[...r.querySelectorAll(s)];
q("table[data-sort]").forEach(t=>{q("thead th",t).forEach((th,c)=>{
const b=d.createElement("button");b.type="button";b.append(...th.childNodes);th.append(b);
b.onclick=()=>{const up=th.getAttribute("aria-sort")!=="ascending";
q("thead th",t).forEach(o=>o.removeAttribute("aria-sort"));th.setAttribute("aria-sort",up?"ascending":"descending");
const v=r=>r.cells[c].dataset.v??r.cells[c].textContent.trim();
const n=(a,b)=>a===""||b===""||isNaN(a)||isNaN(b)?String(a).localeCompare(String(b)):a-b;
q("tr",t.tBodies[0]).sort((a,b)=>(up?1:-1)*n(v(a),v(b))).forEach(r=>t.tBodies[0].append(r))}})});
const all=o=>q("details").forEach(x=>x.open=o),p=d.querySelector(".tools");p.hidden=false;
p.children[0].onclick=()=>all(true);p.children[1].onclick=()=>all(false);p.children[2].onclick=()=>print();
addEventListener("beforeprint",()=>all(true));
const pick=()=>{const r=d.getElementById("v-"+location.hash.slice(6));if(location.hash.startsWith("#view-")&&r)r.checked=true};
pick();addEventListener("hashchange",pick)})();
