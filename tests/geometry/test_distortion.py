"""OpenCV's lens distortion, against numbers of OpenCV itself and plain arithmetic."""

import numpy as np
import pytest

from lib.geometry.camera import Camera
from lib.geometry.distortion import distorted, undistorted

DIRECTIONS = np.array([[0.1, 0.2], [-0.6, 0.35], [0.7, -0.45], [0.0, 0.0]])
# cv2.projectPoints (OpenCV 5.0.0) of these directions with an identity camera matrix.
OF_OPENCV = {
    (-0.3, 0.1, 0.001, -0.002): [
        [0.098425, 0.1971],
        [-0.529943375, 0.30905321874999997],
        [0.5841689374999999, -0.37573503125],
        [0.0, 0.0],
    ],
    (-0.3, 0.1, 0.001, -0.002, 0.02): [
        [0.09842525, 0.1971005],
        [-0.5312913231874999, 0.30983952185937497],
        [0.5888182353437499, -0.378723865578125],
        [0.0, 0.0],
    ],
    (-0.3, 0.1, 0.001, -0.002, 0.02, 0.1, -0.05, 0.01): [
        [0.09794714759653242, 0.19614429519306484],
        [-0.5120757750703427, 0.2986304521243666],
        [0.5613474564694427, -0.3610640791589275],
        [0.0, 0.0],
    ],
}


@pytest.mark.parametrize("coefficients", OF_OPENCV)
def test_directions_are_distorted_as_opencv_does(coefficients):
    found = np.column_stack(distorted(DIRECTIONS[:, 0], DIRECTIONS[:, 1], coefficients))
    np.testing.assert_allclose(found, OF_OPENCV[coefficients], rtol=0, atol=1e-15)


def test_each_pixel_shows_what_a_pinhole_sees():
    camera, coefficients = Camera(64, 48, 40.0, 42.0, 31.5, 23.0), (-0.2, 0.03, 0.002, -0.001)
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    found = undistorted(image, camera, coefficients)
    for row, column in [(24, 32), (3, 5), (40, 60), (10, 50)]:
        x, y = (column + 0.5 - 31.5) / 40.0, (row + 0.5 - 23.0) / 42.0
        (x,), (y,) = distorted(np.array([x]), np.array([y]), coefficients)
        u, v = x * 40.0 + 31.5 - 0.5, y * 42.0 + 23.0 - 0.5
        left, top = int(np.floor(u)), int(np.floor(v))
        right, down = u - left, v - top
        upper = (1 - right) * image[top, left].astype(float) + right * image[top, left + 1]
        lower = (1 - right) * image[top + 1, left].astype(float) + right * image[top + 1, left + 1]
        np.testing.assert_allclose(found[row, column], (1 - down) * upper + down * lower, atol=0.51)


def test_no_distortion_changes_no_pixel_and_outside_is_black():
    camera = Camera(64, 48, 40.0, 42.0, 31.5, 23.0)
    image = np.random.default_rng(0).integers(1, 256, (48, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(undistorted(image, camera, (0.0, 0.0, 0.0, 0.0)), image)
    assert (undistorted(image, camera, (0.5, 0.0, 0.0, 0.0))[0, 0] == 0).all()
