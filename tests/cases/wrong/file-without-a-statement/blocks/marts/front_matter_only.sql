/*---
description: To be written.
---*/
