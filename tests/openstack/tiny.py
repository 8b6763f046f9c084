"""An image and a flavor, and the computer in Nova's list; what `up` makes beside Nova. Safe to run again."""
import os
import sys
import time

import openstack

cloud = openstack.connect(
    auth_url=os.environ['KEYSTONE'], username='admin', password=os.environ['SECRET'], project_name='admin',
    user_domain_id='default', project_domain_id='default', region_name='RegionOne')
if not any(image.name == 'tiny' for image in cloud.image.images()):
    made = cloud.image.post('/images', json={
        'name': 'tiny', 'disk_format': 'raw', 'container_format': 'bare', 'visibility': 'public'})
    made.raise_for_status()
    cloud.image.put('/images/%s/file' % made.json()['id'], data=b'\0' * 65536,
                    headers={'Content-Type': 'application/octet-stream'}).raise_for_status()
if not any(flavor.name == 'm1.tiny' for flavor in cloud.compute.flavors()):
    cloud.compute.create_flavor(name='m1.tiny', ram=64, vcpus=1, disk=1)
for _ in range(120):
    if any(service.binary == 'nova-compute' and service.state == 'up' for service in cloud.compute.services()):
        break
    time.sleep(1)
else:
    sys.exit('nova-compute does not come up')
