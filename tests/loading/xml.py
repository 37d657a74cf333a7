"""Invented insurance XML."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from xml.sax.saxutils import escape

STAY = {
    "MA_LK": "900001",
    "MA_BN": "BN01",
    "HO_TEN": "LÊ THỊ MẪU",
    "SO_CCCD": "001180000011",
    "NGAY_SINH": "198002280000",
    "GIOI_TINH": "2",
    "DIA_CHI": "Số 9, phường Mẫu",
    "MATINH_CU_TRU": "01",
    "DIEN_THOAI": "0911111111",
    "MA_THE_BHYT": "DN4010111111111",
    "MA_DOITUONG_KCB": "1.1",
    "NGAY_VAO": "202604010745",
    "MA_LOAI_KCB": "01",
    "MA_CSKCB": "98001",
}


SERVICE = {
    "MA_LK": "900001",
    "STT": "1",
    "MA_DICH_VU": "23.0075.1494",
    "MA_NHOM": "1",
    "TEN_DICH_VU": "Định lượng Glucose [Máu]",
    "DON_GIA_BV": "22400.000",
    "DON_GIA_BH": "22400.000",
    "THANH_TIEN_BV": "22400.00",
    "THANH_TIEN_BH": "22400.00",
    "MA_KHOA": "K01",
    "MA_BAC_SI": "0000009/TST",
    "NGAY_YL": "202604010800",
    "NGAY_TH_YL": "202604010810",
    "NGAY_KQ": "202604010900",
}

RESULT = {
    "MA_LK": "900001",
    "STT": "1",
    "MA_DICH_VU": "23.0075.1494",
    "TEN_CHI_SO": "Glucose",
    "GIA_TRI": "5.1",
    "DON_VI_DO": "mmol/L",
    "NGAY_KQ": "202604010900",
}

Fields = dict[str, str]


def fields(values: Fields) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())


def xml1(values: Fields) -> str:
    return f"<TONG_HOP>{fields(values)}</TONG_HOP>"


def xml3(*services: Fields) -> str:
    inner = "".join(f"<CHI_TIET_DVKT>{fields(one)}</CHI_TIET_DVKT>" for one in services)
    return f"<CHITIEU_CHITIET_DVKT_VTYT><DSACH_CHI_TIET_DVKT>{inner}</DSACH_CHI_TIET_DVKT></CHITIEU_CHITIET_DVKT_VTYT>"


def xml4(*results: Fields) -> str:
    inner = "".join(f"<CHI_TIET_CLS>{fields(one)}</CHI_TIET_CLS>" for one in results)
    return (
        "<CHITIEU_CHITIET_DICHVUCANLAMSANG><DSACH_CHI_TIET_CLS>"
        f"{inner}</DSACH_CHI_TIET_CLS></CHITIEU_CHITIET_DICHVUCANLAMSANG>"
    )


def record(
    stay: Fields | None = None,
    services: Sequence[Fields] = (SERVICE,),
    results: Sequence[Fields] = (),
    *,
    coded: bool = True,
    extra: Sequence[tuple[str, str]] = (),
) -> str:
    """One HOSO with XML1, XML3 and XML4; ``coded`` payloads are base64, others inline."""
    parts = [("XML1", xml1(stay if stay is not None else STAY)), ("XML3", xml3(*services)), ("XML4", xml4(*results))]
    files = "".join(
        f"<FILEHOSO><LOAIHOSO>{kind}</LOAIHOSO><NOIDUNGFILE>{_payload(text, coded)}</NOIDUNGFILE></FILEHOSO>"
        for kind, text in [*parts, *extra]
        if text
    )
    return f"<HOSO>{files}</HOSO>"


def _payload(text: str, coded: bool) -> str:
    if not coded:
        return text
    return base64.b64encode(b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>' + text.encode()).decode()


def envelope(*records: str, facility: str = "98001", filed: str = "20260402") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<GIAMDINHHS>\n'
        f"<THONGTINDONVI><MACSKCB>{facility}</MACSKCB></THONGTINDONVI>\n"
        f"<THONGTINHOSO><NGAYLAP>{filed}</NGAYLAP><SOLUONGHOSO>{len(records)}</SOLUONGHOSO>"
        f"<DANHSACHHOSO>{''.join(records)}</DANHSACHHOSO></THONGTINHOSO></GIAMDINHHS>\n"
    )
