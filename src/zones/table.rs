//! Which zones a number may be in, by how it begins. A mobile telephone may be anywhere in its country, and is taken to be where
//! its area is; where an area is not listed, all zones of the country count, and where a country is not, the business's.

use crate::core::callback::number::{Number, Prefix};

/// The zones that a number may be in; none: nothing is known of it.
pub(super) fn zones_of(number: Number) -> &'static [&'static str] {
    // A country that shares its calling code is not that code's first owner.
    let code = number.country();
    let mut areas = AREAS.iter();
    let area = u16::try_from(number.prefix(4).value())
        .ok()
        .filter(|_| code.value() == 1);
    let of_area =
        areas.find(|(_, areas)| area.is_some_and(|area| areas.binary_search(&area).is_ok()));
    if let Some((zones, _)) = of_area {
        return zones;
    }
    let is_it = |prefix: u64| Prefix::value(code) == prefix;
    COUNTRIES
        .iter()
        .find(|(prefix, _)| is_it(*prefix))
        .map_or(&[], |(_, zones)| zones)
}

/// All names in the tables.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let areas = AREAS.iter().flat_map(|(zones, _)| zones.iter());
    areas
        .chain(COUNTRIES.iter().flat_map(|(_, zones)| zones.iter()))
        .copied()
}

/// Areas of the United States, with the 1 before them.
const AREAS: [(&[&str], &[u16]); 11] = [
    (
        &["America/New_York"],
        &[
            1201, 1202, 1203, 1207, 1212, 1215, 1216, 1220, 1223, 1227, 1229, 1234, 1239, 1240,
            1248, 1260, 1267, 1272, 1276, 1301, 1302, 1304, 1305, 1313, 1315, 1317, 1321, 1326,
            1330, 1332, 1336, 1339, 1347, 1351, 1352, 1380, 1386, 1401, 1404, 1407, 1410, 1412,
            1413, 1419, 1434, 1440, 1443, 1445, 1463, 1470, 1475, 1478, 1484, 1502, 1508, 1513,
            1516, 1518, 1540, 1551, 1561, 1567, 1570, 1571, 1574, 1585, 1586, 1603, 1607, 1609,
            1610, 1614, 1617, 1631, 1646, 1667, 1678, 1680, 1681, 1689, 1703, 1704, 1706, 1716,
            1717, 1718, 1724, 1727, 1732, 1734, 1740, 1743, 1754, 1757, 1762, 1765, 1770, 1772,
            1774, 1781, 1786, 1802, 1803, 1804, 1810, 1813, 1814, 1828, 1835, 1838, 1843, 1845,
            1848, 1854, 1856, 1857, 1859, 1860, 1862, 1863, 1864, 1865, 1878, 1904, 1908, 1910,
            1914, 1917, 1919, 1929, 1934, 1937, 1941, 1943, 1947, 1948, 1954, 1959, 1973, 1978,
            1980, 1984, 1989,
        ],
    ),
    (
        &["America/Chicago"],
        &[
            1205, 1210, 1214, 1217, 1218, 1219, 1224, 1225, 1228, 1251, 1254, 1256, 1262, 1281,
            1309, 1312, 1314, 1318, 1319, 1320, 1325, 1331, 1334, 1337, 1346, 1361, 1402, 1405,
            1409, 1414, 1417, 1430, 1447, 1464, 1469, 1479, 1501, 1504, 1507, 1512, 1515, 1531,
            1534, 1539, 1557, 1563, 1573, 1580, 1601, 1608, 1612, 1615, 1618, 1630, 1636, 1641,
            1651, 1659, 1662, 1682, 1708, 1712, 1713, 1715, 1726, 1730, 1731, 1737, 1763, 1769,
            1773, 1779, 1806, 1815, 1816, 1817, 1830, 1832, 1847, 1870, 1872, 1901, 1903, 1913,
            1918, 1920, 1931, 1936, 1938, 1940, 1945, 1952, 1956, 1972, 1979, 1985,
        ],
    ),
    (
        &["America/Denver"],
        &[
            1303, 1307, 1385, 1406, 1435, 1505, 1575, 1720, 1801, 1915, 1970, 1983,
        ],
    ),
    (&["America/Phoenix"], &[1480, 1520, 1602, 1623]),
    (
        &["America/Los_Angeles"],
        &[
            1206, 1209, 1213, 1253, 1279, 1310, 1323, 1341, 1360, 1408, 1415, 1424, 1425, 1442,
            1503, 1509, 1510, 1530, 1559, 1562, 1564, 1619, 1626, 1628, 1650, 1657, 1661, 1669,
            1702, 1707, 1714, 1725, 1747, 1760, 1805, 1818, 1820, 1831, 1840, 1858, 1909, 1916,
            1925, 1949, 1951, 1971,
        ],
    ),
    (
        &["America/New_York", "America/Chicago"],
        &[1270, 1364, 1423, 1606, 1812, 1850, 1906, 1930],
    ),
    (
        &["America/Chicago", "America/Denver"],
        &[1308, 1432, 1605, 1620, 1701, 1785],
    ),
    (
        &["America/Denver", "America/Los_Angeles"],
        &[1208, 1458, 1541, 1775, 1986],
    ),
    (&["America/Denver", "America/Phoenix"], &[1928]),
    (&["America/Anchorage", "America/Adak"], &[1907]),
    (&["Pacific/Honolulu"], &[1808]),
];

/// Countries by their calling codes.
const COUNTRIES: [(u64, &[&str]); 45] = [
    (
        1,
        &[
            "America/St_Johns",
            "America/Halifax",
            "America/New_York",
            "America/Chicago",
            "America/Denver",
            "America/Phoenix",
            "America/Los_Angeles",
            "America/Anchorage",
            "Pacific/Honolulu",
        ],
    ),
    (27, &["Africa/Johannesburg"]),
    (30, &["Europe/Athens"]),
    (31, &["Europe/Amsterdam"]),
    (32, &["Europe/Brussels"]),
    (33, &["Europe/Paris"]),
    (34, &["Europe/Madrid", "Atlantic/Canary"]),
    (351, &["Europe/Lisbon", "Atlantic/Azores"]),
    (352, &["Europe/Luxembourg"]),
    (353, &["Europe/Dublin"]),
    (354, &["Atlantic/Reykjavik"]),
    (358, &["Europe/Helsinki"]),
    (36, &["Europe/Budapest"]),
    (39, &["Europe/Rome"]),
    (40, &["Europe/Bucharest"]),
    (41, &["Europe/Zurich"]),
    (420, &["Europe/Prague"]),
    (421, &["Europe/Bratislava"]),
    (43, &["Europe/Vienna"]),
    (44, &["Europe/London"]),
    (45, &["Europe/Copenhagen"]),
    (46, &["Europe/Stockholm"]),
    (47, &["Europe/Oslo"]),
    (48, &["Europe/Warsaw"]),
    (49, &["Europe/Berlin"]),
    (51, &["America/Lima"]),
    (
        52,
        &[
            "America/Cancun",
            "America/Mexico_City",
            "America/Chihuahua",
            "America/Mazatlan",
            "America/Hermosillo",
            "America/Tijuana",
        ],
    ),
    (54, &["America/Argentina/Buenos_Aires"]),
    (
        55,
        &[
            "America/Noronha",
            "America/Sao_Paulo",
            "America/Manaus",
            "America/Rio_Branco",
        ],
    ),
    (
        56,
        &["America/Santiago", "America/Punta_Arenas", "Pacific/Easter"],
    ),
    (57, &["America/Bogota"]),
    (60, &["Asia/Kuala_Lumpur"]),
    (
        61,
        &[
            "Australia/Lord_Howe",
            "Australia/Sydney",
            "Australia/Brisbane",
            "Australia/Adelaide",
            "Australia/Darwin",
            "Australia/Perth",
        ],
    ),
    (63, &["Asia/Manila"]),
    (64, &["Pacific/Chatham", "Pacific/Auckland"]),
    (65, &["Asia/Singapore"]),
    (66, &["Asia/Bangkok"]),
    (81, &["Asia/Tokyo"]),
    (82, &["Asia/Seoul"]),
    (852, &["Asia/Hong_Kong"]),
    (886, &["Asia/Taipei"]),
    (90, &["Europe/Istanbul"]),
    (91, &["Asia/Kolkata"]),
    (971, &["Asia/Dubai"]),
    (972, &["Asia/Jerusalem"]),
];
