using Backprop.Training.Specification;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;
using Backprop.Training.Specification.Schema;

namespace Backprop.Training.Sweeps;

/// <summary>Reads the specification of a sweep.</summary>
public static class SweepSpecificationReader
{
    /// <summary>Reads and checks it, as far as that goes without the run.</summary>
    /// <param name="text">HOCON.</param>
    /// <param name="file">Its name, for messages and for relative includes.</param>
    /// <param name="includes">Where included texts come from; null: includes are refused.</param>
    /// <exception cref="SpecificationException">It has mistakes: all of them.</exception>
    public static SweepSpecification Read(
        string text, string file, IIncludeSource? includes = null)
    {
        HoconObject root = HoconReader.Read(text, file, includes);
        var errors = new List<SpecificationError>();
        return SweepSchema.Sweep.TryRead(
            new ValueCursor(root, "", errors), out SweepSpecification sweep)
            ? sweep with { ResolvedText = HoconWriter.Write(root) }
            : throw new SpecificationException(errors);
    }
}
