using System.Text;

namespace Backprop.Faults.Measuring;

/// <summary>Reads the lines that others add to a file.</summary>
internal sealed class LineFile(string path) : IDisposable
{
    private readonly byte[] _buffer = new byte[1 << 16];
    private readonly StringBuilder _rest = new();
    private FileStream? _file;

    /// <summary>Whole lines that have come since the last call.</summary>
    public IEnumerable<string> ReadNew()
    {
        if (_file is null && !File.Exists(path))
        {
            yield break;
        }

        _file ??= new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        for (int count = _file.Read(_buffer); count > 0; count = _file.Read(_buffer))
        {
            _rest.Append(Encoding.ASCII.GetString(_buffer, 0, count));
            string[] lines = _rest.ToString().Split('\n');
            _rest.Clear().Append(lines[^1]);
            foreach (string line in lines[..^1])
            {
                yield return line;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();
}
