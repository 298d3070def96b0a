"""A page that shows an asset: `page.write_page` puts the parts of this folder and the asset into one file.

`viewer.js` is the source; `viewer.min.js` is it and three.js in one, made ahead of time. After a change, in any
folder with the two packages (`npm install three@0.187.0 esbuild@0.28.2`):

    NODE_PATH=node_modules npx esbuild PATH/TO/viewer.js --bundle --minify --format=iife --charset=utf8 \\
        --legal-comments=inline --outfile=PATH/TO/viewer.min.js
"""
