"""Whether Cinder's scheduler knows of its backend, and its backup service lives: before that a volume that is made ends in
`error`, for there is no place for it."""
import os
import sys

from keystoneauth1 import session
from keystoneauth1.identity import v3

admin = session.Session(auth=v3.Password(
    auth_url=os.environ['KEYSTONE'], username='cinder', password=os.environ['SECRET'], project_name='service',
    user_domain_id='default', project_domain_id='default'))


def ask(path):
    return admin.get(path, endpoint_filter={'service_type': 'block-storage'}).json()


pools = ask('/scheduler-stats/get_pools')['pools']
services = {one['binary'] for one in ask('/os-services')['services'] if one['state'] == 'up'}
sys.exit(not pools or not {'cinder-volume', 'cinder-backup'} <= services)
