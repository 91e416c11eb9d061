namespace Backprop.Data.Formats;

/// <summary>Reads the lines of a text that have anything in them, each of a bounded length.
/// </summary>
/// <param name="stream">UTF-8, with or without a byte order mark.</param>
/// <param name="path">The file, for messages.</param>
/// <param name="maxLineBytes">The longest line.</param>
internal sealed class LineReader(Stream stream, string path, int maxLineBytes)
{
    private const int FirstBufferBytes = 1 << 16;

    private byte[] _buffer = new byte[FirstBufferBytes];
    private int _first;
    private int _end;
    private int _lineLength;
    private bool _isAtEnd;

    /// <summary>The line's number, from 1.</summary>
    public long Number { get; private set; }

    /// <summary>The line without what ends it; good until the next one is read.</summary>
    public ReadOnlySpan<byte> Line =>
        _buffer.AsSpan(_first - _lineLength, _lineLength).TrimEnd("\r\n"u8);

    /// <summary>Goes to the next line that is not blank; false: there is none.</summary>
    public bool Read()
    {
        do
        {
            if (!Next())
            {
                return false;
            }
        }
        while (Line.Trim(" \t"u8).IsEmpty);
        return true;
    }

    private bool Next()
    {
        int searched = 0;
        int length;
        while ((length = _buffer.AsSpan(_first + searched, _end - _first - searched)
            .IndexOf((byte)'\n')) < 0)
        {
            searched = _end - _first;
            if (_isAtEnd)
            {
                return TakeLine(searched);
            }

            Fill();
        }

        return TakeLine(searched + length + 1);
    }

    private bool TakeLine(int length)
    {
        if (length == 0)
        {
            return false;
        }

        if (Number == 0 && _buffer.AsSpan(_first, length).StartsWith("\uFEFF"u8))
        {
            _first += "\uFEFF"u8.Length;
            length -= "\uFEFF"u8.Length;
        }

        _first += length;
        _lineLength = length;
        Number++;
        return true;
    }

    private void Fill()
    {
        int kept = _end - _first;
        if (kept > maxLineBytes)
        {
            throw new InvalidDatasetException(
                path, $"the line has more than {maxLineBytes:N0} bytes", "give shorter lines",
                new DataPosition { Line = Number + 1 });
        }

        byte[] target = kept == _buffer.Length ? new byte[2 * kept] : _buffer;
        _buffer.AsSpan(_first, kept).CopyTo(target);
        _buffer = target;
        (_first, _end) = (0, kept);
        int read = stream.Read(_buffer.AsSpan(kept));
        _isAtEnd = read == 0;
        _end += read;
    }
}
